//! Golden vectors: inputs of a model's Programs and what the CPU engine makes of them, shipped beside the weights, so that
//! every other engine can be checked before it is trusted.

use crate::family::Network;
use crate::params::Weights;
use data::rng::{Rng, stream};
use graph::{Load, Program, Run};

/// Name of an input or output of one of the model's Programs in the golden vector.
pub fn name(program: &str, value: &str) -> String {
    format!("{program}.{value}")
}

/// Runs every Program of a network on inputs of its own, weights apart, and keeps both sides.
pub async fn compute<L: Load>(network: &Network, host: &L) -> Result<Weights, <L::Run as Run>::Error> {
    let specs = network.specs();
    let mut golden = Weights::default();
    for (of, program) in network.programs() {
        let mut run = host.load(&program).await?;
        let inputs = program.inputs.iter().filter(|(input, _)| specs.iter().all(|spec| spec.name != *input));
        for (number, (input, id)) in inputs.enumerate() {
            let values = example(network, &program, input, number as u64);
            golden.insert(&name(of, input), &program.node(*id).shape, values);
        }
        let outputs = outputs(of, &mut run, &golden).await?;
        for ((_, id), (name, values)) in program.outputs.iter().zip(outputs) {
            golden.insert(&name, &program.node(*id).shape, values);
        }
    }
    Ok(golden)
}

/// What a loaded Program of the model makes of the golden inputs: its outputs by their names in the golden vector.
pub async fn outputs<R: Run>(of: &str, run: &mut R, golden: &Weights) -> Result<Vec<(String, Vec<f32>)>, R::Error> {
    let inputs: Vec<String> = run.program().inputs.iter().map(|(input, _)| input.clone()).collect();
    for input in &inputs {
        if let Some(values) = golden.get(&name(of, input)) {
            run.write(input, values)?;
        }
    }
    run.step()?;
    let outputs: Vec<String> = run.program().outputs.iter().map(|(output, _)| output.clone()).collect();
    let values = run.read_all(&outputs.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    Ok(outputs.iter().map(|output| name(of, output)).zip(values).collect())
}

/// Plausible values of an input: labels and tokens are whole numbers, times lie between 0 and 1, images of a VAE are black
/// and white, others have all levels, everything else is noise.
fn example(network: &Network, program: &Program, input: &str, number: u64) -> Vec<f32> {
    let len = program.shape_of(input).map_or(0, |shape| shape.iter().product());
    let counts = network.classes();
    let mut noise = vec![0f32; len];
    Rng::new(number + 1, stream::SAMPLE).fill_normal(&mut noise);
    let at = |f: &dyn Fn(usize) -> usize| (0..len).map(|i| f(i) as f32).collect();
    match input {
        "class" => at(&|i| i / counts.len() % (counts[i % counts.len()] + 1)),
        "position" | "pixel" => at(&|i| i + 3),
        "tokens" | "levels" | "window" => at(&|i| i * 7 % 100),
        "time" => (0..len).map(|i| (i as f32 + 0.5) / len as f32).collect(),
        "x" => noise.iter().map(|v| f32::from(*v > 1.0)).collect(),
        "image" => noise.iter().map(|v| v.tanh()).collect(),
        "u" => noise.iter().map(|v| 0.5 + 0.4 * v.tanh()).collect(),
        _ => noise,
    }
}

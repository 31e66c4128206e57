//! Every layer, density and loss of `nn` against PyTorch: results and gradients, by the f64 reference and on both engines.

use conformance::close::{Tolerance, assert_close, narrow, widen};
use conformance::compare::{gpu, run};
use conformance::reference;
use engine::Cpu;
use graph::{Graph, Program, Tensor, Window, vjp};
use models::nn;
use models::params::Init;
use models::{Params, Weights};
use pollster::block_on;

/// Of the reference, relative to the largest value of the tensor: the file holds f32, and so do the graph's constants.
const F64: f64 = 3e-7;
/// Of the engines, in f32.
const F32: f64 = 3e-6;

/// The file was made by `golden/nn.py`, which states what is in it.
struct Golden(Weights);

impl Golden {
    fn open() -> Golden {
        Golden(Weights::parse_any(include_bytes!("../golden/nn.safetensors")).unwrap())
    }

    fn get(&self, case: &str, name: &str) -> (&[usize], Vec<f64>) {
        let name = format!("{case}/{name}");
        let values = self.0.get(&name).unwrap_or_else(|| panic!("'{name}' is not in the golden file"));
        (self.0.shape(&name).unwrap(), widen(values))
    }

    /// What the file has for a case besides `out` and `bar`, with `grad.` before gradients.
    fn names(&self, case: &str) -> Vec<&str> {
        let rest = self.0.iter().filter_map(|(name, _)| name.strip_prefix(case)?.strip_prefix('/'));
        rest.filter(|name| !["out", "bar"].contains(name)).collect()
    }
}

/// Inputs and parameters of a case while its graph is built.
struct Case<'g, 'a> {
    name: &'a str,
    golden: &'a Golden,
    graph: &'g Graph,
    p: Params<'g>,
}

impl<'g> Case<'g, '_> {
    fn input(&self, name: &str) -> Tensor<'g> {
        self.graph.input(name, self.golden.get(self.name, name).0)
    }

    fn x(&self) -> Tensor<'g> {
        self.input("x")
    }
}

type Build = for<'g> fn(&Case<'g, '_>) -> Tensor<'g>;

/// The case `name` on everything that runs a Program; `far` widens the tolerance of the engines.
fn check(name: &str, far: f64, build: Build) {
    let golden = Golden::open();
    let graph = Graph::new();
    let case = Case { name, golden: &golden, graph: &graph, p: Params::new(&graph) };
    let out = build(&case);
    let (shape, expected) = golden.get(name, "out");
    assert_eq!(out.shape(), shape, "{name}");
    let names = golden.names(name);
    let wrt: Vec<&str> = names.iter().filter_map(|n| n.strip_prefix("grad.")).collect();
    let tensors: Vec<Tensor<'_>> = wrt.iter().map(|n| case.input(n)).collect();
    let gradients = vjp(out, graph.input("bar", shape), &tensors);
    let labels: Vec<String> = wrt.iter().map(|n| format!("grad.{n}")).collect();
    let mut outputs = vec![("out", out)];
    outputs.extend(labels.iter().map(String::as_str).zip(gradients));
    let program = Program::new(&outputs, &[]);

    let inputs: Vec<(String, Vec<f64>)> =
        program.inputs.iter().map(|(input, _)| (input.clone(), golden.get(name, input).1)).collect();
    let borrowed: Vec<(&str, &[f64])> = inputs.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
    let single: Vec<(String, Vec<f32>)> = inputs.iter().map(|(n, v)| (n.clone(), narrow(v))).collect();
    let on_gpu = block_on(gpu().load(&program)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let widened = |out: Vec<(String, Vec<f32>)>| out.iter().map(|(_, v)| widen(v)).collect::<Vec<_>>();
    let judged = [
        ("reference", F64, reference::evaluate(&program, &borrowed)),
        ("cpu", F32 * far, widened(run(Cpu.load(&program), &single, 1))),
        ("gpu", F32 * far, widened(run(on_gpu, &single, 1))),
    ];
    for (by, rtol, results) in judged {
        for ((what, _), got) in outputs.iter().zip(results) {
            let expected = if *what == "out" { expected.clone() } else { golden.get(name, what).1 };
            let error =
                assert_close(&format!("{name}, {by}, {what}"), &got, &expected, Tolerance::of_largest(rtol, &expected));
            println!("{name} {by} {what}: {:.1e}", 2.0 * rtol * error);
        }
    }
}

#[test]
fn linear_layers_and_embeddings() {
    check("linear", 1.0, |c| nn::linear(&c.p, "l", c.x(), 4));
    check("linear_3d", 1.0, |c| nn::linear(&c.p, "l", c.x(), 4));
    check("embedding", 1.0, |c| nn::embedding(&c.p, "l", c.input("index"), [5, 3], Init::Zeros));
    check("time_embedding", 1.0, |c| nn::time_embedding(c.input("t"), 8));
}

#[test]
fn convolutions() {
    check("conv", 1.0, |c| nn::conv(&c.p, "l", c.x(), 3, 3, Window::new(1, 1)));
    check("conv_strided", 1.0, |c| nn::conv(&c.p, "l", c.x(), 3, 3, Window::new(2, 1)));
    check("conv_transpose_4_2_1", 1.0, |c| nn::conv_transpose(&c.p, "l", c.x(), [3, 4], 2, 1));
    check("conv_transpose_3_2_1", 1.0, |c| nn::conv_transpose(&c.p, "l", c.x(), [3, 3], 2, 1));
    check("conv_transpose_3_1_0", 1.0, |c| nn::conv_transpose(&c.p, "l", c.x(), [3, 3], 1, 0));
    check("conv_transpose_pixel", 1.0, |c| nn::conv_transpose(&c.p, "l", c.x(), [4, 4], 1, 0));
}

#[test]
fn changes_of_resolution() {
    check("pixel_shuffle", 1.0, |c| nn::pixel_shuffle(c.x(), 2));
    check("upsample_nearest", 1.0, |c| nn::upsample_nearest(c.x(), 2));
    check("upsample_conv", 1.0, |c| nn::upsample_conv(&c.p, "l", c.x(), 3));
    check("average_pool", 1.0, |c| nn::average_pool(c.x(), 2));
    check("concat", 1.0, |c| nn::concat(&[c.x(), c.input("y"), c.x()], 1));
}

#[test]
fn norms() {
    check("group_norm", 1.0, |c| nn::group_norm(&c.p, "l", c.x(), 2));
    // A unit in the last place of 100 is 100 times larger beside a deviation of 1.
    check("group_norm_far", 100.0, |c| nn::group_norm(&c.p, "l", c.x(), 2));
    check("layer_norm", 1.0, |c| nn::layer_norm(&c.p, "l", c.x()));
    check("rms_norm", 1.0, |c| nn::rms_norm(&c.p, "l", c.x()));
}

#[test]
fn activations() {
    check("silu", 1.0, |c| c.x().silu());
    check("softplus", 1.0, |c| c.x().softplus());
    check("gelu", 1.0, |c| nn::gelu(c.x()));
    check("softmax", 1.0, |c| nn::softmax(c.x(), 1));
    check("softmax_columns", 1.0, |c| nn::softmax(c.x(), 0));
    check("log_softmax", 1.0, |c| nn::log_softmax(c.x(), 1));
    check("log_sum_exp", 1.0, |c| nn::log_sum_exp(c.x(), 1));
}

#[test]
fn attentions() {
    check("attention", 1.0, |c| nn::attention(c.input("q"), c.input("k"), c.input("v"), None));
    check("attention_causal", 1.0, |c| {
        nn::attention(c.input("q"), c.input("k"), c.input("v"), Some(nn::causal_mask(c.graph, 5)))
    });
}

#[test]
fn losses_and_densities() {
    check("cross_entropy", 1.0, |c| nn::cross_entropy(c.x(), c.input("targets")));
    check("mean_squared_error", 1.0, |c| nn::mean_squared_error(c.x(), c.input("y")));
    check("bernoulli_log_prob", 1.0, |c| nn::bernoulli_log_prob(c.x(), c.input("logits")));
    check("standard_normal_log_prob", 1.0, |c| nn::standard_normal_log_prob(c.input("z")));
    check("normal_kl", 1.0, |c| nn::normal_kl(c.input("mu"), c.input("logvar")));
    check("discretised_logistic", 1.0, |c| {
        nn::discretised_logistic_log_prob(c.x(), c.input("mean"), c.input("log_scale"))
    });
}

//! A GPU that goes away. Its own binary: the device of the other tests must live.

use engine::gpu::{Gpu, Options};
use engine::{Engine, Error};
use graph::{Graph, Program, Run};
use pollster::block_on;

fn open() -> Gpu {
    block_on(Gpu::open(Options::default()))
        .unwrap_or_else(|e| panic!("{e}. `cargo xtask setup` installs a software Vulkan driver (lavapipe)."))
}

#[test]
fn a_lost_device_is_a_typed_error_everywhere() {
    let gpu = open();
    let g = Graph::new();
    let program = Program::new(&[("y", g.input("x", &[3]) * 2.0)], &[]);
    let mut loaded = block_on(gpu.load(&program)).expect("the device is there");
    loaded.write("x", &[1.0, 2.0, 3.0]).expect("the device is there");
    loaded.step().expect("the device is there");
    assert_eq!(block_on(loaded.read("y")).expect("the device is there"), [2.0, 4.0, 6.0]);
    assert!(gpu.failure().is_none());
    gpu.lose();
    assert!(matches!(loaded.step(), Err(Error::DeviceLost(_))));
    assert!(matches!(loaded.write("x", &[0.0; 3]), Err(Error::DeviceLost(_))));
    assert!(matches!(block_on(loaded.read("y")), Err(Error::DeviceLost(_))));
    assert!(matches!(block_on(gpu.load(&program)).err(), Some(Error::DeviceLost(_))));
    assert!(matches!(gpu.failure(), Some(Error::DeviceLost(_))));
}

/// x follows a damped oscillation; v is its speed.
fn oscillator() -> Program {
    let g = Graph::new();
    let (x, v) = (g.input("x", &[5]), g.input("v", &[5]));
    let faster = v * 0.9 - x * 0.2;
    Program::new(&[("energy", (x.square() + v.square()).sum_all())], &[(x, x + faster), (v, faster)])
}

/// Steps from the state given, awaiting the device as a browser's loop does; the state after them.
fn stepped(loaded: &mut engine::Loaded, state: &[Vec<f32>], steps: usize) -> Result<Vec<Vec<f32>>, Error> {
    loaded.write("x", &state[0])?;
    loaded.write("v", &state[1])?;
    for _ in 0..steps {
        block_on(loaded.ready())?;
        loaded.step()?;
    }
    block_on(loaded.read_all(&["x", "v"]))
}

#[test]
fn a_job_goes_on_on_the_cpu_from_its_last_state() {
    let program = oscillator();
    let start = [vec![1.0, -2.0, 0.5, 3.0, 0.0], vec![0.0; 5]];
    let mut cpu = block_on(Engine::cpu().load(&program)).expect("the CPU loads every Program");
    let expected = stepped(&mut cpu, &start, 20).expect("the CPU is there");

    let gpu = open();
    let mut loaded = block_on(Engine::Gpu(gpu.clone()).load(&program)).expect("the device is there");
    let kept = stepped(&mut loaded, &start, 12).expect("the device is there");
    // Steps are under way when it goes.
    loaded.step().expect("the device is there");
    gpu.lose();
    let error = stepped(&mut loaded, &kept, 8).expect_err("the device is gone");
    assert!(matches!(error, Error::DeviceLost(_)), "{error}");

    let mut cpu = block_on(Engine::cpu().load(&program)).expect("the CPU loads every Program");
    let got = stepped(&mut cpu, &kept, 8).expect("the CPU is there");
    for (a, b) in expected.iter().flatten().zip(got.iter().flatten()) {
        assert!((a - b).abs() <= 1e-5, "{expected:?} {got:?}");
    }
}

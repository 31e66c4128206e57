//! A GPU that goes away. Its own binary: the device of the other tests must live.

use engine::Error;
use engine::gpu::{Gpu, Options};
use graph::{Graph, Program, Run};
use pollster::block_on;

#[test]
fn a_lost_device_is_a_typed_error_everywhere() {
    let gpu = block_on(Gpu::open(Options::default()))
        .unwrap_or_else(|e| panic!("{e}. `cargo xtask setup` installs a software Vulkan driver (lavapipe)."));
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

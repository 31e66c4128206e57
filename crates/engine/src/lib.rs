//! Runs Programs of the `graph` crate: on the CPU with kernels of its own, on a GPU through wgpu.
//!
//! The CPU engine is also the reference: every number of the GPU engine is compared with it.

pub mod cpu;
mod error;
pub mod gpu;

pub use cpu::Cpu;
pub use error::Error;
pub use gpu::Gpu;
use graph::{Load, Program, Run};

/// Where Programs run.
pub enum Engine {
    /// SIMD on one thread in a browser, all cores natively.
    Cpu(Cpu),
    /// wgpu: WebGPU in a browser, Vulkan, Metal or DirectX natively.
    Gpu(Gpu),
}

impl Engine {
    /// The CPU engine; it is always there.
    pub fn cpu() -> Engine {
        Engine::Cpu(Cpu)
    }

    /// Makes a Program ready to run; state and inputs have no value yet.
    pub async fn load(&self, program: &Program) -> Result<Loaded, Error> {
        self.load_with(program, &mut |_, _| {}).await
    }

    /// [`load`](Engine::load) that tells `progress` how many of how many shaders are compiled; the CPU has none.
    pub async fn load_with(&self, program: &Program, progress: &mut dyn FnMut(usize, usize)) -> Result<Loaded, Error> {
        Ok(match self {
            Engine::Cpu(cpu) => Loaded::Cpu(Box::new(cpu.load(program))),
            Engine::Gpu(gpu) => Loaded::Gpu(Box::new(gpu.load_with(program, progress).await?)),
        })
    }
}

/// An engine alone, for Programs whose weights somebody else writes.
impl Load for Engine {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, Error> {
        Engine::load(self, program).await
    }
}

/// A Program on one of the engines.
pub enum Loaded {
    /// On the CPU.
    Cpu(Box<cpu::Loaded>),
    /// On the GPU.
    Gpu(Box<gpu::Loaded>),
}

impl Run for Loaded {
    type Error = Error;

    fn program(&self) -> &Program {
        match self {
            Loaded::Cpu(l) => l.program(),
            Loaded::Gpu(l) => l.program(),
        }
    }

    fn write(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        match self {
            Loaded::Cpu(l) => l.write(name, values),
            Loaded::Gpu(l) => l.write(name, values),
        }
    }

    fn step(&mut self) -> Result<(), Error> {
        match self {
            Loaded::Cpu(l) => l.step(),
            Loaded::Gpu(l) => l.step(),
        }
    }

    async fn ready(&mut self) -> Result<(), Error> {
        match self {
            Loaded::Cpu(l) => l.ready().await,
            Loaded::Gpu(l) => l.ready().await,
        }
    }

    async fn read_all(&self, names: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        match self {
            Loaded::Cpu(l) => l.read_all(names).await,
            Loaded::Gpu(l) => l.read_all(names).await,
        }
    }
}

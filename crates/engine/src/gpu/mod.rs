//! Placeholder while the GPU engine is written: there is no GPU.
use crate::Error;
use graph::{Program, Run};
/// No GPU.
pub struct Gpu;
impl Gpu {
    /// Never called.
    pub async fn load(&self, _: &Program) -> Result<Loaded, Error> {
        Err(Error::NoGpu("not built".into()))
    }
}
/// Never made.
pub struct Loaded(Program);
impl Run for Loaded {
    type Error = Error;
    fn program(&self) -> &Program {
        &self.0
    }
    fn write(&mut self, _: &str, _: &[f32]) -> Result<(), Error> {
        Ok(())
    }
    fn step(&mut self) -> Result<(), Error> {
        Ok(())
    }
    async fn read(&self, _: &str) -> Result<Vec<f32>, Error> {
        Ok(vec![])
    }
}

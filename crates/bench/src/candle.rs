//! The same networks written as a user of candle would write them, with the same weights.

use crate::native::Contestant;
use anyhow::{Context, Result};
use bench::Workload;
use candle_core::{Device, Module, Result as Candle, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, Linear, ops};

/// candle on this workload.
pub(crate) fn contestant(workload: &Workload) -> Result<Option<Contestant<'_>>> {
    let w = Values(workload);
    let forward: Forward = match workload.name {
        "matmul" => {
            let weight = w.get("weight")?;
            Box::new(move |x| x.matmul(&weight))
        }
        "conv" => {
            let conv = w.conv("conv", 1)?;
            Box::new(move |x| conv.forward(x))
        }
        "vae" => vae(&w)?,
        _ => return Ok(None),
    };
    let name = workload.data().next().context("a workload has an input")?;
    let (shape, values) = (w.shape(name)?, workload.values(name));
    let run = move || {
        let x = Tensor::from_slice(&values, shape.as_slice(), &Device::Cpu)?;
        Ok(forward(&x)?.flatten_all()?.to_vec1()?)
    };
    Ok(Some(("candle", Box::new(run))))
}

type Forward = Box<dyn Fn(&Tensor) -> Candle<Tensor>>;

fn vae(w: &Values<'_>) -> Result<Forward> {
    let hidden = w.linear("hidden")?;
    let (up1, up2, out) = (w.upconv("up1")?, w.upconv("up2")?, w.conv("out", 1)?);
    Ok(Box::new(move |z| {
        let h = hidden.forward(z)?.relu()?.reshape(((), 64, 7, 7))?;
        let h = up2.forward(&up1.forward(&h)?.relu()?)?.relu()?;
        ops::sigmoid(&out.forward(&h)?)
    }))
}

/// The workload's weights as candle tensors and layers.
struct Values<'a>(&'a Workload);

impl Values<'_> {
    fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.0.program.shape_of(name).with_context(|| format!("no input {name}"))?.to_vec())
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.0.values(name), self.shape(name)?, &Device::Cpu)?)
    }

    fn linear(&self, name: &str) -> Result<Linear> {
        Ok(Linear::new(self.get(&format!("{name}.weight"))?, Some(self.get(&format!("{name}.bias"))?)))
    }

    fn conv(&self, name: &str, padding: usize) -> Result<Conv2d> {
        let config = Conv2dConfig { padding, ..Default::default() };
        Ok(Conv2d::new(self.get(&format!("{name}.weight"))?, Some(self.get(&format!("{name}.bias"))?), config))
    }

    /// 4 x 4, stride 2.
    fn upconv(&self, name: &str) -> Result<ConvTranspose2d> {
        let config = ConvTranspose2dConfig { stride: 2, padding: 1, ..Default::default() };
        Ok(ConvTranspose2d::new(self.get(&format!("{name}.weight"))?, Some(self.get(&format!("{name}.bias"))?), config))
    }
}

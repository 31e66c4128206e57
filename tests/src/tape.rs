//! The VAE and Adam written a second time, on candle's tape in f64: another forward pass, another differentiation, other
//! convolutions. Nothing here uses the graph.

use candle_core::{D, DType, Device, Result, Tensor, Var};
use models::Weights;
use models::params::Spec;
use models::vae::Config;
use std::collections::BTreeMap;

/// A tensor in f64 on the CPU.
pub fn tensor(values: &[f64], shape: &[usize]) -> Result<Tensor> {
    Tensor::from_slice(values, shape, &Device::Cpu)
}

/// All elements in row-major order.
pub fn values(t: &Tensor) -> Result<Vec<f64>> {
    t.flatten_all()?.to_dtype(DType::F64)?.to_vec1()
}

/// 1 / (1 + e^-x).
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// x sigmoid(x).
pub fn silu(x: &Tensor) -> Result<Tensor> {
    x * sigmoid(x)?
}

/// ln(1 + e^x).
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// ln sum exp over the last axis, which goes.
pub fn log_sum_exp(x: &Tensor) -> Result<Tensor> {
    let top = x.max_keepdim(D::Minus1)?.detach();
    x.broadcast_sub(&top)?.exp()?.sum(D::Minus1)?.log()? + top.squeeze(D::Minus1)?
}

/// The VAE's parameters.
pub struct Vae {
    config: Config,
    vars: BTreeMap<String, Var>,
}

impl Vae {
    /// Takes the values of `weights`.
    pub fn new(config: Config, specs: &[Spec], weights: &Weights) -> Result<Vae> {
        let var = |spec: &Spec| -> Result<(String, Var)> {
            let values = crate::close::widen(weights.get(&spec.name).expect("a value for every parameter"));
            Ok((spec.name.clone(), Var::from_tensor(&tensor(&values, &spec.shape)?)?))
        };
        Ok(Vae { config, vars: specs.iter().map(var).collect::<Result<_>>()? })
    }

    fn var(&self, layer: &str, part: &str) -> &Tensor {
        self.vars[&format!("{layer}.{part}")].as_tensor()
    }

    fn linear(&self, layer: &str, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.var(layer, "weight").t()?)?.broadcast_add(self.var(layer, "bias"))
    }

    fn conv(&self, layer: &str, x: &Tensor, stride: usize, pad: usize) -> Result<Tensor> {
        let bias = self.var(layer, "bias").reshape((1, (), 1, 1))?;
        x.conv2d(self.var(layer, "weight"), pad, stride, 1, 1)?.broadcast_add(&bias)
    }

    /// Mean and log variance of q(z|x).
    pub fn encode(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let b = x.dim(0)?;
        let h = silu(&self.conv("encoder.conv1", &x.reshape((b, 1, 28, 28))?, 2, 1)?)?;
        let h = silu(&self.conv("encoder.conv2", &h, 2, 1)?)?;
        let h = silu(&self.linear("encoder.hidden", &h.flatten_from(1)?)?)?;
        let q = self.linear("encoder.posterior", &h)?;
        let l = self.config.latents;
        Ok((q.narrow(1, 0, l)?, q.narrow(1, l, l)?))
    }

    /// Logits of the pixels.
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        let b = z.dim(0)?;
        let h = silu(&self.linear("decoder.hidden1", z)?)?;
        let h = silu(&self.linear("decoder.hidden2", &h)?)?.reshape((b, self.config.channels, 7, 7))?;
        let h = silu(&self.conv("decoder.conv1", &h, 1, 1)?)?;
        let h = self.conv("decoder.conv2", &double(&h)?, 1, 2)?;
        double(&h)?.flatten_from(1)
    }

    /// The bound of the mean image: in closed form for k = 1, else that of the importance weights.
    pub fn bound(&self, x: &Tensor, eps: &Tensor, k: usize) -> Result<Tensor> {
        let (b, (mu, logvar)) = (x.dim(0)?, self.encode(x)?);
        if k == 1 {
            let z = (&mu + ((&logvar * 0.5)?.exp()? * eps)?)?;
            let kl = (((mu.sqr()? + logvar.exp()?)? - 1.0)? - &logvar)?.sum(1)? * 0.5;
            return (log_prob(x, &self.decode(&z)?)? - kl?)?.mean_all();
        }
        let l = self.config.latents;
        let repeat = |t: &Tensor, n: usize| t.unsqueeze(1)?.broadcast_as((b, k, n))?.reshape((b * k, n));
        let (mu, logvar) = (repeat(&mu, l)?, repeat(&logvar, l)?);
        let z = (&mu + ((&logvar * 0.5)?.exp()? * eps)?)?;
        // log N(z; 0, 1) - log N(z; mu, e^logvar): the constants cancel.
        let prior = (z.sqr()?.sum(1)? * -0.5)?;
        let posterior = ((eps.sqr()? + &logvar)?.sum(1)? * -0.5)?;
        let log_w = ((log_prob(&repeat(x, 784)?, &self.decode(&z)?)? + prior)? - posterior)?;
        (log_sum_exp(&log_w.reshape((b, k))?)? - (k as f64).ln())?.mean_all()
    }

    /// Gradients of -`bound` by parameter.
    pub fn gradients(&self, bound: &Tensor) -> Result<BTreeMap<String, Tensor>> {
        let store = bound.neg()?.backward()?;
        let of = |(name, var): (&String, &Var)| (name.clone(), store.get(var).expect("a gradient").clone());
        Ok(self.vars.iter().map(of).collect())
    }
}

/// log p(x|z) of each row from the logits: x l - softplus(l).
fn log_prob(x: &Tensor, logits: &Tensor) -> Result<Tensor> {
    ((x * logits)? - softplus(logits)?)?.sum(1)
}

/// Sub-pixel upsampling by 2.
fn double(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let parts = x.reshape(&[b, c / 4, 2, 2, h, w][..])?;
    parts.permute((0, 1, 4, 2, 5, 3))?.reshape((b, c / 4, 2 * h, 2 * w))
}

/// Adam (Kingma & Ba 2014, arXiv:1412.6980, algorithm 1).
pub struct Adam {
    rate: f64,
    step: i32,
    moments: BTreeMap<String, (Tensor, Tensor)>,
}

impl Adam {
    /// No step yet.
    pub fn new(rate: f64) -> Adam {
        Adam { rate, step: 0, moments: BTreeMap::new() }
    }

    /// Moves the parameters against `gradients`.
    pub fn step(&mut self, vae: &Vae, gradients: &BTreeMap<String, Tensor>) -> Result<()> {
        self.step += 1;
        let (beta1, beta2, epsilon) = (0.9f64, 0.999f64, 1e-8);
        let (correct1, correct2) = (1.0 - beta1.powi(self.step), 1.0 - beta2.powi(self.step));
        for (name, g) in gradients {
            let (m, v) = match self.moments.get(name) {
                Some((m, v)) => (m.clone(), v.clone()),
                None => (g.zeros_like()?, g.zeros_like()?),
            };
            let m = ((m * beta1)? + (g * (1.0 - beta1))?)?;
            let v = ((v * beta2)? + (g.sqr()? * (1.0 - beta2))?)?;
            let step = ((&m * (self.rate / correct1))? / ((&v / correct2)?.sqrt()? + epsilon)?)?;
            let var = &vae.vars[name];
            var.set(&(var.as_tensor() - step)?)?;
            self.moments.insert(name.clone(), (m, v));
        }
        Ok(())
    }
}

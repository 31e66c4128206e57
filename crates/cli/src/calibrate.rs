//! `pofx calibrate`: how a GAN's discriminator is read as log p_data(x)/p_G(x). Images and drawn pictures are cut in two:
//! logistic regression on one half, judged on the other.

use crate::datasets::{self, Split};
use crate::eval::{self, on_all_cores};
use crate::model::Model;
use anyhow::{Result, bail};
use data::images::Images;
use engine::{Engine, Loaded};
use likelihood::ratio::{self, Fit};
use models::registry::Calibration;
use models::{Network, gan};
use serde::Serialize;

/// Pictures that the discriminator sees at once.
const BATCH: usize = 50;

/// What `pofx calibrate` prints.
#[derive(Serialize)]
pub(crate) struct Report {
    model: String,
    data: String,
    #[serde(flatten)]
    calibration: Calibration,
    scale_std_error: f64,
    offset_std_error: f64,
    log_loss_std_error: f64,
    seconds: f64,
}

impl Report {
    /// As the card keeps it.
    pub(crate) fn calibration(&self) -> Calibration {
        self.calibration.clone()
    }
}

/// Fits to `n` test images and `n` pictures that are drawn without a label.
pub(crate) fn calibrate(model: &Model, n: usize) -> Result<Report> {
    let start = std::time::Instant::now();
    let network = &model.recipe.network;
    let Network::Gan(config) = network else {
        bail!("this is for GANs, and {} is of the family {}", model.recipe.id, network.name());
    };
    let test = datasets::set(&model.recipe.data)?.load(Split::Test)?;
    let n = n.min(test.len());
    let drawn = eval::drawn(model, n, &network.no_labels().repeat(n), &[])?;
    let (of_test, of_drawn) = (logits(model, config, &test, n)?, logits(model, config, &drawn, n)?);
    let ((real, real_held), (drawn, drawn_held)) = (of_test.split_at(n / 2), of_drawn.split_at(n / 2));
    let fit = Fit::new(real, drawn)?;
    let judged = fit.judge(real_held, drawn_held)?;
    let id = &model.recipe.id;
    Ok(Report {
        model: id.clone(),
        data: format!("test set of {}", model.recipe.data),
        calibration: Calibration {
            scale: fit.scale,
            offset: fit.offset,
            images: n,
            samples: n,
            auc: judged.auc,
            log_loss: judged.log_loss,
            command: format!("cargo run --release -p pofx -- calibrate {id} --images {n} --json"),
        },
        scale_std_error: fit.std_errors[0],
        offset_std_error: fit.std_errors[1],
        log_loss_std_error: judged.log_loss_std_error,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// What the discriminator says of the first `n` images.
fn logits(model: &Model, config: &gan::Config, images: &Images, n: usize) -> Result<Vec<f64>> {
    let len = images.len_of_one();
    let none = model.recipe.network.no_labels().repeat(BATCH);
    let load = || model.load(&Engine::cpu(), &gan::discriminator(config, BATCH));
    let look = |run: &mut Loaded, batch: usize| -> Result<Vec<f64>> {
        let first = batch * BATCH;
        let count = BATCH.min(n - first);
        let mut levels = images.pixels[first * len..][..count * len].to_vec();
        levels.resize(BATCH * len, 0);
        let mut logits = pollster::block_on(ratio::logits(run, &levels, &none))?;
        logits.truncate(count);
        Ok(logits)
    };
    Ok(on_all_cores("judging", n.div_ceil(BATCH), load, look)?.concat())
}

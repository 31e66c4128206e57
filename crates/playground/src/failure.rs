//! What goes wrong, as the page gets it: a code for programs and a sentence for people.

use crate::protocol::Event;
use likelihood::iwae;

/// Why a command failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One of the codes of `web/src/engine/errors.js`.
    pub code: &'static str,
    /// One plain sentence.
    pub message: String,
    /// Whether another engine may succeed where this one failed.
    pub blames_gpu: bool,
}

impl Failure {
    /// A failure that has nothing to do with the engine.
    pub fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), blames_gpu: false }
    }

    /// The signal of the caller ended the job.
    pub fn stopped() -> Failure {
        Failure::new("aborted", "The job was stopped.")
    }

    /// As the last event of a job.
    pub fn into_event(self) -> Event {
        Event::Error { code: self.code.into(), message: self.message, recoverable: true }
    }
}

/// As a sentence: capital letter, full stop. Drivers and compilers add lines of detail: the first one says what is wrong.
pub(crate) fn sentence(text: impl ToString) -> String {
    let text = text.to_string();
    let text = text.lines().next().unwrap_or_default().trim_end();
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

impl From<engine::Error> for Failure {
    fn from(e: engine::Error) -> Failure {
        use engine::Error::*;
        let (code, blames_gpu) = match &e {
            NoGpu(_) => ("no-webgpu", true),
            Limit { .. } | OutOfMemory(_) => ("out-of-memory", true),
            DeviceLost(_) => ("device-lost", true),
            Shader { .. } => ("engine-failed", true),
            NoSuch(_) | Length { .. } | NoValue(_) | Cpu { .. } => ("engine-failed", false),
        };
        Failure { code, message: sentence(e), blames_gpu }
    }
}

impl From<iwae::Error<engine::Error>> for Failure {
    fn from(e: iwae::Error<engine::Error>) -> Failure {
        match e {
            iwae::Error::Engine(e) => e.into(),
            iwae::Error::Stopped => Failure::stopped(),
            iwae::Error::NotANumber => Failure { blames_gpu: true, ..Failure::new("not-a-number", sentence(e)) },
        }
    }
}

impl From<models::control::Refused> for Failure {
    fn from(e: models::control::Refused) -> Failure {
        Failure::new("bad-request", e.0)
    }
}

impl From<models::sample::Error<engine::Error>> for Failure {
    fn from(e: models::sample::Error<engine::Error>) -> Failure {
        match e {
            models::sample::Error::Device(e) => e.into(),
            models::sample::Error::Stopped => Failure::stopped(),
            models::sample::Error::Setting(refused) => refused.into(),
        }
    }
}

impl From<models::registry::Error> for Failure {
    fn from(e: models::registry::Error) -> Failure {
        Failure::new("bad-card", sentence(e))
    }
}

impl From<models::registry::IntegrityError> for Failure {
    fn from(e: models::registry::IntegrityError) -> Failure {
        Failure::new("integrity", sentence(e))
    }
}

impl From<models::params::WeightsError> for Failure {
    fn from(e: models::params::WeightsError) -> Failure {
        Failure::new("bad-weights", sentence(e))
    }
}

impl From<onnx::Error> for Failure {
    fn from(e: onnx::Error) -> Failure {
        Failure::new("engine-failed", sentence(e))
    }
}

impl From<data::image::Error> for Failure {
    fn from(e: data::image::Error) -> Failure {
        Failure::new("bad-image", sentence(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sentences() {
        let lost: Failure = engine::Error::DeviceLost("reset".into()).into();
        assert_eq!((lost.code, lost.message.as_str()), ("device-lost", "The GPU was lost: reset."));
        assert!(lost.blames_gpu);
        let empty: Failure = data::image::Error::Empty(0, 0).into();
        assert_eq!(empty.message, "This picture is 0 x 0 pixels: there is nothing in it.");
    }
}

//! Waiting for the device: natively by blocking, in a browser by giving way to its event loop.

use super::device::Gpu;
use crate::Error;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Steps that may be under way at the same time: the device never waits for the next one, and a caller who stops or
/// changes an input is heard soon.
const AHEAD: usize = 3;

/// A value that one of the device's callbacks delivers.
pub(super) struct Signal<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T: Send + 'static> Signal<T> {
    pub(super) fn new() -> Signal<T> {
        Signal(Arc::new(Mutex::new((None, None))))
    }

    /// The callback.
    pub(super) fn sender(&self) -> impl FnOnce(T) + Send + 'static {
        let slot = self.0.clone();
        move |value| {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            slot.0 = Some(value);
            if let Some(waker) = slot.1.take() {
                waker.wake();
            }
        }
    }

    pub(super) async fn received(&self) -> T {
        let poll = |context: &mut std::task::Context<'_>| {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match slot.0.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        };
        std::future::poll_fn(poll).await
    }
}

/// The steps that were submitted and that nobody has waited for.
#[derive(Default)]
pub(super) struct Flight(VecDeque<(wgpu::SubmissionIndex, Signal<()>)>);

impl Flight {
    /// Notes a submission.
    pub(super) fn add(&mut self, gpu: &Gpu, index: wgpu::SubmissionIndex) {
        let done = Signal::new();
        let sender = done.sender();
        gpu.queue.on_submitted_work_done(move || sender(()));
        self.0.push_back((index, done));
    }

    /// Waits until one more step may be submitted. A browser can't block; there [`ready`](Flight::ready) waits.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn block(&mut self, gpu: &Gpu) -> Result<(), Error> {
        while self.0.len() >= AHEAD {
            let oldest = self.0.pop_front().map(|f| f.0);
            gpu.wait(oldest)?;
        }
        Ok(())
    }

    /// Waits until one more step may be submitted.
    pub(super) async fn ready(&mut self, gpu: &Gpu) -> Result<(), Error> {
        #[cfg(not(target_arch = "wasm32"))]
        self.block(gpu)?;
        while self.0.len() >= AHEAD {
            if let Some((_, done)) = self.0.pop_front() {
                done.received().await;
            }
        }
        gpu.health.check()
    }
}

impl Gpu {
    /// Blocks until a submission, or else the last one, is done.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<(), Error> {
        let waited = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        self.health.check()?;
        waited.map(drop).map_err(|e| Error::DeviceLost(e.to_string()))
    }
}

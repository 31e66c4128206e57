//! [`Gpu`]: an open device, what it allows, and whether it still works.

use super::plan::Limits;
use crate::Error;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Shaders that are compiled side by side.
const BATCH: usize = 8;

/// How to choose a GPU.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    /// Take a software adapter (lavapipe, SwiftShader) even where there is a real GPU.
    pub software: bool,
    /// Keep large weights and intermediate values as f16 where the GPU can: half the memory, three digits. Not for
    /// likelihoods.
    pub half: bool,
}

/// What computes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adapter {
    /// The driver's name for it; browsers may leave it empty.
    pub name: String,
    /// Vulkan, Metal, Dx12 or BrowserWebGpu.
    pub backend: String,
    /// Whether it is a program on the CPU.
    pub software: bool,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "unnamed adapter" } else { &self.name };
        write!(f, "{name} ({}{})", self.backend, if self.software { ", software" } else { "" })
    }
}

/// An open GPU. Clones share the device and its compiled shaders.
#[derive(Clone)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) health: Health,
    pipelines: Arc<Mutex<HashMap<String, wgpu::ComputePipeline>>>,
    adapter: Adapter,
    limits: Limits,
}

impl Gpu {
    /// Opens the default GPU with all that it allows.
    pub async fn open(options: Options) -> Result<Gpu, Error> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let wanted = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            force_fallback_adapter: options.software,
            ..Default::default()
        };
        let adapter = instance.request_adapter(&wanted).await.map_err(|e| no_gpu(&e))?;
        let (info, most) = (adapter.get_info(), adapter.limits());
        let required_limits = wgpu::Limits {
            max_storage_buffers_per_shader_stage: most.max_storage_buffers_per_shader_stage,
            max_storage_buffer_binding_size: most.max_storage_buffer_binding_size,
            max_buffer_size: most.max_buffer_size,
            ..wgpu::Limits::default()
        };
        let half = options.half && adapter.features().contains(wgpu::Features::SHADER_F16);
        let required_features = if half { wgpu::Features::SHADER_F16 } else { wgpu::Features::empty() };
        let descriptor =
            wgpu::DeviceDescriptor { label: Some("p-of-x"), required_features, required_limits, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|e| Error::NoGpu(e.to_string()))?;
        let limits = device.limits();
        Ok(Gpu {
            health: Health::watch(&device),
            adapter: Adapter {
                name: info.name,
                backend: format!("{:?}", info.backend),
                software: info.device_type == wgpu::DeviceType::Cpu,
            },
            limits: Limits {
                // A shader of more buffers gains nothing, and Plans stay the same on most machines.
                storage_buffers: limits.max_storage_buffers_per_shader_stage.min(16) as usize,
                buffer_bytes: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
                groups: limits.max_compute_workgroups_per_dimension,
                half,
                // A CPU is busy at once, and SwiftShader takes 0.6 s to compile a product with a barrier, against 0.05.
                busy_threads: if info.device_type == wgpu::DeviceType::Cpu { 0 } else { 4096 },
            },
            // On the web a pipeline is no Send, and nothing there is shared between threads.
            #[cfg_attr(target_arch = "wasm32", allow(clippy::arc_with_non_send_sync))]
            pipelines: Arc::default(),
            device,
            queue,
        })
    }

    /// What was opened.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// What it allows.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Takes the device away, as a driver reset would: for tests. Every later step or read fails.
    pub fn lose(&self) {
        self.device.destroy();
        self.poll();
    }

    /// Why the GPU can't be used any more, if so.
    pub fn failure(&self) -> Option<Error> {
        self.health.check().err()
    }

    /// Lets callbacks run. In a browser they run by themselves.
    pub(super) fn poll(&self) {
        // A lost device reports an error here, and through its callback, which is the one that is kept.
        drop(self.device.poll(wgpu::PollType::Poll));
    }

    /// The pipelines of `shaders`; equal texts are compiled once on this device. wgpu has no way to be told when a pipeline
    /// is there, but its errors arrive only then: a batch is compiled side by side, and awaiting its errors lets a
    /// browser show the progress.
    pub(super) async fn pipelines(
        &self,
        shaders: &[(String, Vec<bool>)],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<wgpu::ComputePipeline>, Error> {
        let mut seen = HashSet::new();
        let new: Vec<_> = shaders.iter().filter(|s| self.cached(&s.0).is_none() && seen.insert(&s.0)).collect();
        let mut done = 0;
        for batch in new.chunks(BATCH) {
            let compiling: Vec<_> = batch.iter().map(|(text, writable)| self.watched(text, writable)).collect();
            let mut failed = None;
            for ((text, _), (pipeline, errors)) in batch.iter().zip(compiling) {
                let mut good = true;
                for error in errors {
                    if let Some(error) = error.await {
                        good = false;
                        failed.get_or_insert(as_error(error, title(text)));
                    }
                }
                if good {
                    self.lock().insert(text.clone(), pipeline);
                    done += 1;
                    progress(done, new.len());
                }
            }
            if let Some(error) = failed {
                self.health.check()?;
                return Err(error);
            }
        }
        shaders.iter().map(|(text, _)| self.cached(text).ok_or_else(|| vanished(text))).collect()
    }

    /// Starts to compile a shader; with what was wrong with it, when that is known.
    fn watched(
        &self,
        text: &str,
        writable: &[bool],
    ) -> (wgpu::ComputePipeline, [impl Future<Output = Option<wgpu::Error>> + use<>; 3]) {
        let [validation, internal, memory] =
            [wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory]
                .map(|filter| self.device.push_error_scope(filter));
        let pipeline = self.compile(text, writable);
        (pipeline, [memory.pop(), internal.pop(), validation.pop()])
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, wgpu::ComputePipeline>> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cached(&self, text: &str) -> Option<wgpu::ComputePipeline> {
        self.lock().get(text).cloned()
    }

    fn compile(&self, text: &str, writable: &[bool]) -> wgpu::ComputePipeline {
        let entries: Vec<_> = writable
            .iter()
            .enumerate()
            .map(|(i, writable)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: !writable },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout =
            self.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        })
    }
}

/// The comment that a shader begins with.
fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches("// ")
}

fn vanished(text: &str) -> Error {
    Error::Shader { kernel: title(text).into(), message: "it was not compiled".into() }
}

/// Why there is no adapter: wgpu's first clause. The others name the backends that it was built without.
fn no_gpu(error: &wgpu::RequestAdapterError) -> Error {
    let text = error.to_string();
    Error::NoGpu(text.split(';').next().unwrap_or_default().into())
}

/// A wgpu error in our words.
pub(super) fn as_error(error: wgpu::Error, kernel: &str) -> Error {
    match error {
        wgpu::Error::OutOfMemory { source } => Error::OutOfMemory(source.to_string()),
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            Error::Shader { kernel: kernel.into(), message: description }
        }
    }
}

/// What went wrong outside of any call: a lost device, or an error that no scope caught.
#[derive(Clone, Default)]
pub(super) struct Health(Arc<Mutex<Option<Error>>>);

impl Health {
    fn watch(device: &wgpu::Device) -> Health {
        let health = Health::default();
        let lost = health.clone();
        device.set_device_lost_callback(move |reason, message| {
            let message = if message.is_empty() { format!("{reason:?}") } else { message };
            lost.set(Error::DeviceLost(message));
        });
        let uncaptured = health.clone();
        device.on_uncaptured_error(Arc::new(move |error| uncaptured.set(as_error(error, "submission"))));
        health
    }

    /// Keeps the first error, but a lost device explains all others.
    fn set(&self, error: Error) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() || matches!(error, Error::DeviceLost(_)) && !matches!(*kept, Some(Error::DeviceLost(_))) {
            *kept = Some(error);
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

//! [`Loaded`]: a plan with its buffers on the device.

use super::device::{Gpu, as_error};
use super::plan::{Kernel, Plan};
use super::wait::{Flight, Signal};
use crate::Error;
use graph::{Program, Run};
use half::f16;
use std::collections::HashSet;
use std::ops::Deref;

/// A Program on a GPU.
pub struct Loaded {
    gpu: Gpu,
    program: Program,
    plan: Plan,
    buffers: Vec<Memory>,
    kernels: Vec<Ready>,
    /// Inputs that have a value.
    written: HashSet<String>,
    stepped: bool,
    flight: Flight,
}

/// A buffer that gives its memory back at once. In a browser one that is dropped waits for the garbage collector, which sees
/// the few bytes of the handle and not what is behind it.
struct Memory(wgpu::Buffer);

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

impl Deref for Memory {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0
    }
}

/// A dispatch with nothing left to decide.
struct Ready {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: [u32; 2],
}

impl Gpu {
    /// Plans a Program, compiles its shaders and allocates its buffers; inputs and state have no value yet.
    pub async fn load(&self, program: &Program) -> Result<Loaded, Error> {
        self.load_with(program, &mut |_, _| {}).await
    }

    /// [`load`](Gpu::load) that tells `progress` how many of how many shaders are compiled.
    pub async fn load_with(&self, program: &Program, progress: &mut dyn FnMut(usize, usize)) -> Result<Loaded, Error> {
        self.prepare(program, Plan::new(program, self.limits())?, progress).await
    }

    /// [`load`](Gpu::load) for a plan made before, which may be one for smaller limits.
    pub async fn load_plan(&self, program: &Program, plan: Plan) -> Result<Loaded, Error> {
        self.prepare(program, plan, &mut |_, _| {}).await
    }

    async fn prepare(
        &self,
        program: &Program,
        plan: Plan,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Loaded, Error> {
        self.health.check()?;
        let writable = |kernel: &Kernel| kernel.bindings.iter().map(|b| b.writable).collect();
        let shaders: Vec<_> = plan.shaders().into_iter().zip(plan.kernels.iter().map(writable)).collect();
        let pipelines = self.pipelines(&shaders, progress).await?;
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let buffers: Vec<_> = plan.buffers.iter().map(|b| self.buffer(b.bytes)).collect();
        let ready = plan.kernels.iter().zip(pipelines).map(|(kernel, pipeline)| self.ready(kernel, pipeline, &buffers));
        let kernels = ready.collect();
        let pending = (validation.pop(), memory.pop());
        // Memory first: a buffer that could not be made makes its bind groups invalid.
        if pending.1.await.is_some() {
            self.health.check()?;
            return Err(Error::OutOfMemory(plan.memory_in_words()));
        }
        if let Some(error) = pending.0.await {
            self.health.check()?;
            return Err(as_error(error, "bind groups"));
        }
        Ok(Loaded {
            gpu: self.clone(),
            program: program.clone(),
            plan,
            buffers,
            kernels,
            written: HashSet::new(),
            stepped: false,
            flight: Flight::default(),
        })
    }

    fn buffer(&self, bytes: u64) -> Memory {
        use wgpu::BufferUsages as Use;
        let usage = Use::STORAGE | Use::COPY_SRC | Use::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
        Memory(self.device.create_buffer(&descriptor))
    }

    fn ready(&self, kernel: &Kernel, pipeline: wgpu::ComputePipeline, buffers: &[Memory]) -> Ready {
        let entry = |(i, b): (usize, &super::plan::Binding)| wgpu::BindGroupEntry {
            binding: i as u32,
            resource: buffers[b.buffer].as_entire_binding(),
        };
        let entries: Vec<_> = kernel.bindings.iter().enumerate().map(entry).collect();
        let layout = pipeline.get_bind_group_layout(0);
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        Ready { bind_group: self.device.create_bind_group(&descriptor), pipeline, grid: kernel.grid }
    }
}

impl Loaded {
    /// The plan that a step replays.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Buffer and length of an output or else of an input.
    fn find(&self, name: &str) -> Result<(usize, usize), Error> {
        let by_name = |list: &[(String, usize)]| list.iter().find(|(n, _)| n == name).map(|f| f.1);
        let (buffer, known) = match by_name(&self.plan.outputs) {
            Some(buffer) => (buffer, self.stepped),
            None => {
                let buffer = by_name(&self.plan.inputs).ok_or_else(|| Error::NoSuch(name.into()))?;
                (buffer, self.written.contains(name))
            }
        };
        if !known {
            return Err(Error::NoValue(name.into()));
        }
        let shape = self.program.shape_of(name).ok_or_else(|| Error::NoSuch(name.into()))?;
        Ok((buffer, shape.iter().product()))
    }

    /// Bytes of a named value of `len` elements.
    fn bytes(&self, buffer: usize, len: usize) -> u64 {
        if self.plan.half.contains(&buffer) { (2 * len as u64).next_multiple_of(4) } else { 4 * len as u64 }
    }

    /// Waits until the buffer can be read.
    async fn mapped(&self, buffer: &wgpu::Buffer) -> Result<(), Error> {
        let mapped = Signal::new();
        buffer.map_async(wgpu::MapMode::Read, .., mapped.sender());
        #[cfg(not(target_arch = "wasm32"))]
        self.gpu.wait(None)?;
        let result = mapped.received().await;
        self.gpu.health.check()?;
        result.map_err(|e| Error::DeviceLost(format!("reading back failed: {e}")))
    }
}

impl Run for Loaded {
    type Error = Error;

    fn program(&self) -> &Program {
        &self.program
    }

    fn write(&mut self, name: &str, values: &[f32]) -> Result<(), Error> {
        self.gpu.health.check()?;
        let id = self.program.input(name).ok_or_else(|| Error::NoSuch(name.into()))?;
        let expected = self.program.node(id).len();
        if values.len() != expected {
            return Err(Error::Length { name: name.into(), expected, got: values.len() });
        }
        let buffer = self.plan.inputs.iter().find(|(n, _)| n == name).map(|f| f.1);
        let buffer = buffer.ok_or_else(|| Error::NoSuch(name.into()))?;
        if self.plan.half.contains(&buffer) {
            let mut bits: Vec<u16> = values.iter().map(|&v| f16::from_f32(v).to_bits()).collect();
            bits.resize(bits.len().next_multiple_of(2), 0);
            self.gpu.queue.write_buffer(&self.buffers[buffer], 0, bytemuck::cast_slice(&bits));
        } else {
            self.gpu.queue.write_buffer(&self.buffers[buffer], 0, bytemuck::cast_slice(values));
        }
        self.written.insert(name.into());
        Ok(())
    }

    fn step(&mut self) -> Result<(), Error> {
        self.gpu.poll();
        self.gpu.health.check()?;
        #[cfg(not(target_arch = "wasm32"))]
        self.flight.block(&self.gpu)?;
        if let Some((name, _)) = self.plan.inputs.iter().find(|(name, _)| !self.written.contains(name)) {
            return Err(Error::NoValue(name.clone()));
        }
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for kernel in &self.kernels {
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, &kernel.bind_group, &[]);
            pass.dispatch_workgroups(kernel.grid[0], kernel.grid[1], 1);
        }
        drop(pass);
        for copy in &self.plan.copies {
            encoder.copy_buffer_to_buffer(&self.buffers[copy.from], 0, &self.buffers[copy.to], 0, Some(copy.bytes));
        }
        let index = self.gpu.queue.submit([encoder.finish()]);
        self.flight.add(&self.gpu, index);
        self.stepped = true;
        Ok(())
    }

    /// So many steps are under way as keep the device busy, and no more. Natively [`step`](Run::step) waits by itself; in a
    /// browser nothing may block.
    async fn ready(&mut self) -> Result<(), Error> {
        self.flight.ready(&self.gpu).await
    }

    async fn read_all(&self, names: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let found: Vec<(usize, usize)> = names.iter().map(|name| self.find(name)).collect::<Result<_, _>>()?;
        self.gpu.health.check()?;
        let sizes: Vec<u64> = found.iter().map(|&(buffer, len)| self.bytes(buffer, len)).collect();
        let bytes = sizes.iter().sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: None, size: bytes, usage, mapped_at_creation: false };
        let staging = Memory(self.gpu.device.create_buffer(&descriptor));
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (&(buffer, _), &size) in found.iter().zip(&sizes) {
            encoder.copy_buffer_to_buffer(&self.buffers[buffer], 0, &staging, at, Some(size));
            at += size;
        }
        self.gpu.queue.submit([encoder.finish()]);
        self.mapped(&staging).await?;
        let lost = |e: &dyn std::fmt::Display| Error::DeviceLost(format!("reading back failed: {e}"));
        let view = staging.get_mapped_range(..).map_err(|e| lost(&e))?;
        let mut rest: &[u8] = &view;
        let mut take = |(&(buffer, len), &size): (&(usize, usize), &u64)| -> Vec<f32> {
            let (head, tail) = rest.split_at(size as usize);
            rest = tail;
            if self.plan.half.contains(&buffer) {
                let bits: Vec<u16> = bytemuck::pod_collect_to_vec(head);
                return bits[..len].iter().map(|&b| f16::from_bits(b).to_f32()).collect();
            }
            bytemuck::pod_collect_to_vec(head)
        };
        Ok(found.iter().zip(&sizes).map(&mut take).collect())
    }
}

//! [`Plan`]: what a GPU does for one step of a Program, as data. Nothing here touches a device, so that plans can be
//! printed, compared and tested anywhere.

use super::algorithm::Algorithm;
use super::attention::Attentions;
use super::buffers::{Buffer, Buffers};
use super::group::{Groups, Rules};
use super::index::Index;
use super::store::Storage;
use crate::Error;
use graph::{Node, NodeId, Op, Program};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a device allows and likes. The default is what every WebGPU implementation has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Storage buffers that one shader may bind; at least 4.
    pub storage_buffers: usize,
    /// Bytes of the largest buffer.
    pub buffer_bytes: u64,
    /// Workgroups along one axis of a dispatch.
    pub groups: u32,
    /// Whether large weights and intermediate values are kept as f16; all arithmetic stays f32.
    pub half: bool,
    /// Threads below which the device stands partly idle, so that it is worth while to split sums between threads;
    /// 0 to split only the longest.
    pub busy_threads: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { storage_buffers: 8, buffer_bytes: 128 << 20, groups: 65_535, half: false, busy_threads: 4096 }
    }
}

/// The kernels of one step in order, the buffers they use, and the copies that end the step.
pub struct Plan {
    /// The Program's nodes, and copies of inputs that are outputs.
    pub(super) nodes: Vec<Node>,
    pub(super) kernels: Vec<Kernel>,
    pub(super) buffers: Vec<Buffer>,
    /// Most bytes of temporary values that are needed at the same time.
    live: u64,
    pub(super) copies: Vec<Copy>,
    /// Names that can be read, and names that can be written, with their buffers.
    pub(super) outputs: Vec<(String, usize)>,
    pub(super) inputs: Vec<(String, usize)>,
    /// Buffers of inputs that are kept as f16.
    pub(super) half: HashSet<usize>,
}

/// Bytes of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Inputs, weights and states among them, and outputs.
    pub named: u64,
    /// Buffers of all other values.
    pub temporary: u64,
    /// Most bytes of these values that are needed at the same time: what `temporary` can't be less than.
    pub live: u64,
}

impl Memory {
    /// All bytes.
    pub fn total(&self) -> u64 {
        self.named + self.temporary
    }

    /// All bytes over those that are needed at the same time.
    pub fn ratio(&self) -> f64 {
        self.total() as f64 / (self.named + self.live).max(1) as f64
    }
}

/// One dispatch.
pub(super) struct Kernel {
    pub(super) algorithm: Algorithm,
    /// Tensors it loads, with their bindings.
    pub(super) loads: Vec<(NodeId, usize)>,
    /// Tensors it stores, at which index, with their bindings.
    pub(super) stores: Vec<(NodeId, Index, usize)>,
    pub(super) bindings: Vec<Binding>,
    /// Workgroups along x and y.
    pub(super) grid: [u32; 2],
}

/// A buffer as one kernel sees it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Binding {
    pub(super) buffer: usize,
    /// Elements.
    pub(super) len: usize,
    pub(super) writable: bool,
    /// Whether they are f16.
    pub(super) half: bool,
}

/// Moves the next value of a state into place.
pub(super) struct Copy {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) bytes: u64,
}

/// The program with what the planner needs to know of it.
struct Draft {
    nodes: Vec<Node>,
    outputs: Vec<(String, NodeId)>,
    state: Vec<(NodeId, NodeId)>,
    must: Vec<bool>,
    /// Whether a node is stored as f16.
    half: Vec<bool>,
}

impl Plan {
    /// Plans a Program, or says which node is beyond the limits.
    pub fn new(program: &Program, limits: &Limits) -> Result<Plan, Error> {
        let draft = Draft::new(program, limits.half);
        check(&draft.nodes)?;
        // Writing a state in place asks that all its readers come first. Where that makes a circle, give it up.
        let mut forbidden = HashSet::new();
        let attentions = Attentions::find(&draft.nodes, &draft.must, limits.busy_threads);
        loop {
            let in_place = draft.in_place(&forbidden);
            let rules = Rules {
                nodes: &draft.nodes,
                must: &draft.must,
                in_place: &in_place,
                attentions: &attentions,
                bindings: limits.storage_buffers,
                busy: limits.busy_threads,
            };
            let storage = Storage::choose(&draft.nodes, &draft.must, &attentions, limits.busy_threads);
            let groups = Groups::make(rules, storage);
            let replaced: HashMap<NodeId, NodeId> = in_place
                .iter()
                .map(|(&next, &state)| (next, state))
                .filter(|&(next, state)| {
                    groups.replaces(groups.home[next.index()].expect("a next value is stored"), next, state)
                })
                .collect();
            match order(&groups, &replaced) {
                Ok(order) => return Plan::laid_out(program, &draft, &groups, &order, &replaced, limits),
                Err(circular) => forbidden.extend(circular),
            }
        }
    }

    fn laid_out(
        program: &Program,
        draft: &Draft,
        groups: &Groups<'_>,
        order: &[usize],
        replaced: &HashMap<NodeId, NodeId>,
        limits: &Limits,
    ) -> Result<Plan, Error> {
        let written = written(groups, order, &draft.must);
        let buffers = Buffers::assign(
            (&draft.nodes, &draft.half),
            groups,
            order,
            &written,
            replaced,
            &draft.outputs,
            &draft.state,
        );
        if let Some(buffer) = buffers.list.iter().find(|b| b.bytes > limits.buffer_bytes) {
            let what = format!("{} bytes, and a buffer may have {}", buffer.bytes, limits.buffer_bytes);
            return Err(Error::Limit { node: describe(&draft.nodes, buffer.largest), what });
        }
        let mut kernels = Vec::new();
        for (&g, written) in order.iter().zip(&written) {
            kernels.push(Kernel::new(draft, &groups.list[g], written, &buffers.of, limits)?);
        }
        let at = |id: NodeId| buffers.of[&id];
        let copies = draft.state.iter().filter(|(state, next)| at(*state) != at(*next)).map(|&(state, next)| Copy {
            from: at(next),
            to: at(state),
            bytes: 4 * draft.nodes[state.index()].len() as u64,
        });
        Ok(Plan {
            copies: copies.collect(),
            outputs: draft.outputs.iter().map(|(name, id)| (name.clone(), at(*id))).collect(),
            inputs: program.inputs.iter().map(|(name, id)| (name.clone(), at(*id))).collect(),
            half: program.inputs.iter().filter(|(_, id)| draft.half[id.index()]).map(|(_, id)| at(*id)).collect(),
            kernels,
            live: buffers.live,
            buffers: buffers.list,
            nodes: draft.nodes.clone(),
        })
    }

    /// Number of dispatches of a step.
    pub fn dispatches(&self) -> usize {
        self.kernels.len()
    }

    /// Number of buffer copies of a step: states that could not be replaced in place.
    pub fn copies(&self) -> usize {
        self.copies.len()
    }

    /// What the plan takes of the device's memory.
    pub fn memory(&self) -> Memory {
        let sum = |temporary: bool| self.buffers.iter().filter(|b| b.temporary == temporary).map(|b| b.bytes).sum();
        Memory { named: sum(false), temporary: sum(true), live: self.live }
    }

    /// How much memory is needed and for what most, for an error.
    pub(super) fn memory_in_words(&self) -> String {
        let largest = self.buffers.iter().max_by_key(|b| b.bytes);
        let most =
            largest.map(|b| format!(", the largest part {} bytes for {}", b.bytes, describe(&self.nodes, b.largest)));
        format!("{} bytes are needed{}", self.memory().total(), most.unwrap_or_default())
    }

    /// Floating point operations of a step: those of products and reductions, and one for each pointwise result.
    pub fn flops(&self) -> u64 {
        self.kernels.iter().map(|k| k.algorithm.flops()).sum()
    }

    /// The shader of every kernel, in order. Kernels with the same text share a pipeline.
    pub fn shaders(&self) -> Vec<String> {
        self.kernels.iter().map(|kernel| super::codegen::shader(&self.nodes, kernel)).collect()
    }
}

impl Draft {
    /// An input that is an output, or the next value of another state, is copied: it may change before it is read.
    fn new(program: &Program, half: bool) -> Draft {
        let mut nodes = program.nodes.clone();
        let mut copies: HashMap<NodeId, NodeId> = HashMap::new();
        let mut own = |id: NodeId| {
            if !matches!(nodes[id.index()].op, Op::Input(_)) {
                return id;
            }
            *copies.entry(id).or_insert_with(|| {
                let shape = nodes[id.index()].shape.clone();
                nodes.push(Node { op: Op::Reshape, inputs: vec![id], shape });
                NodeId(nodes.len() as u32 - 1)
            })
        };
        let outputs: Vec<_> = program.outputs.iter().map(|(name, id)| (name.clone(), own(*id))).collect();
        let moving = program.state.iter().filter(|(state, next)| state != next);
        let state: Vec<_> = moving.map(|&(state, next)| (state, own(next))).collect();
        let mut must = vec![false; nodes.len()];
        outputs.iter().map(|o| o.1).chain(state.iter().map(|s| s.1)).for_each(|id| must[id.index()] = true);
        let half = if half { halves(&nodes, &must, &program.state) } else { vec![false; nodes.len()] };
        Draft { nodes, outputs, state, must, half }
    }

    /// Next values that may take the place of their state. An output must keep its value until the next step, also if
    /// the state is written in between, so it has its own buffer.
    fn in_place(&self, forbidden: &HashSet<NodeId>) -> HashMap<NodeId, NodeId> {
        let outputs: HashSet<NodeId> = self.outputs.iter().map(|o| o.1).collect();
        let mut map = HashMap::new();
        for &(state, next) in &self.state {
            if !outputs.contains(&next) && !forbidden.contains(&next) {
                map.entry(next).or_insert(state);
            }
        }
        map
    }
}

/// Fewest elements that are worth to be kept as f16.
const HALF: usize = 4096;

/// The nodes that are kept as f16 if they are stored: weights and intermediate values that are large. Outputs and states
/// keep all digits, and sums their range; small inputs may be counts or positions.
fn halves(nodes: &[Node], must: &[bool], state: &[(NodeId, NodeId)]) -> Vec<bool> {
    let mut half: Vec<bool> = nodes.iter().zip(must).map(|(node, must)| !must && node.len() >= HALF).collect();
    state.iter().for_each(|(input, _)| half[input.index()] = false);
    for (half, node) in half.iter_mut().zip(nodes) {
        *half &= !matches!(node.op, Op::Reduce(..) | Op::ScatterAdd(_));
    }
    half
}

/// Refuses what no shader can express.
fn check(nodes: &[Node]) -> Result<(), Error> {
    for (i, node) in nodes.iter().enumerate() {
        let refuse = |what: &str| Err(Error::Limit { node: describe(nodes, NodeId(i as u32)), what: what.into() });
        if node.is_empty() {
            return refuse("it has no element, and a GPU buffer must have one");
        }
        if node.len() > u32::MAX as usize / 4 {
            return refuse("its elements can't be counted in 32 bits");
        }
        if matches!(node.op, Op::Const(bits) if !f32::from_bits(bits).is_finite()) {
            return refuse("a shader can't contain a number that is not finite");
        }
    }
    Ok(())
}

/// A node as the printed Program shows it.
pub(super) fn describe(nodes: &[Node], id: NodeId) -> String {
    let node = &nodes[id.index()];
    format!("%{} = {} {:?}", id.0, node.op, node.shape)
}

/// An order in which every group follows those it reads from, and replaces a state after all its other readers; or next
/// values that can't replace their states.
fn order(groups: &Groups<'_>, replaced: &HashMap<NodeId, NodeId>) -> Result<Vec<usize>, Vec<NodeId>> {
    let mut replaced = replaced.clone();
    let mut circular = Vec::new();
    let mut before = followed(groups, &replaced);
    let mut left: BTreeSet<(NodeId, usize)> =
        groups.list.iter().enumerate().map(|(g, group)| (group.first(), g)).collect();
    let mut done = vec![false; groups.list.len()];
    let mut order = Vec::with_capacity(groups.list.len());
    while !left.is_empty() {
        let ready = left.iter().copied().find(|&(_, g)| before[g].iter().all(|&b| done[b]));
        let Some(next) = ready else {
            let stuck = |next: &&NodeId| groups.home[next.index()].is_some_and(|g| !done[g]);
            let next = *replaced.keys().filter(stuck).min().expect("data alone makes no circle");
            replaced.remove(&next);
            circular.push(next);
            before = followed(groups, &replaced);
            continue;
        };
        left.remove(&next);
        done[next.1] = true;
        order.push(next.1);
    }
    if circular.is_empty() { Ok(order) } else { Err(circular) }
}

/// The groups that each group must follow.
fn followed(groups: &Groups<'_>, replaced: &HashMap<NodeId, NodeId>) -> Vec<BTreeSet<usize>> {
    let writer: HashMap<NodeId, usize> =
        replaced.iter().map(|(next, state)| (*state, groups.home[next.index()].expect("stored"))).collect();
    let mut before: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); groups.list.len()];
    for (g, group) in groups.list.iter().enumerate() {
        for read in &group.reads {
            if let Some(source) = groups.home[read.index()] {
                before[g].insert(source);
            }
            if let Some(&replacer) = writer.get(read).filter(|&&w| w != g) {
                before[replacer].insert(g);
            }
        }
    }
    before
}

/// The members of each group that need a buffer: those that another group reads, and outputs and next values.
fn written(groups: &Groups<'_>, order: &[usize], must: &[bool]) -> Vec<Vec<NodeId>> {
    let read: HashSet<NodeId> = groups.list.iter().flat_map(|group| group.reads.iter().copied()).collect();
    let needed = |id: &NodeId| must[id.index()] || read.contains(id);
    order.iter().map(|&g| groups.list[g].members.iter().map(|m| m.0).filter(needed).collect()).collect()
}

impl Kernel {
    /// Bytes of the tensors that it loads or stores.
    pub(super) fn bytes(&self) -> u64 {
        self.bindings.iter().map(|b| if b.half { 2 } else { 4 } * b.len as u64).sum()
    }

    fn new(
        draft: &Draft,
        group: &super::group::Group,
        written: &[NodeId],
        buffer: &HashMap<NodeId, usize>,
        limits: &Limits,
    ) -> Result<Kernel, Error> {
        let nodes = &draft.nodes;
        let mut bindings: Vec<Binding> = Vec::new();
        let mut bind = |id: NodeId, writable: bool| {
            let (of, len) = (buffer[&id], nodes[id.index()].len());
            let at = bindings.iter().position(|b| b.buffer == of).unwrap_or_else(|| {
                bindings.push(Binding { buffer: of, len, writable, half: draft.half[id.index()] });
                bindings.len() - 1
            });
            bindings[at].writable |= writable;
            at
        };
        let loads = group.reads.iter().map(|&id| (id, bind(id, false))).collect();
        let members = group.members.iter().filter(|m| written.contains(&m.0));
        let stores: Vec<_> = members.map(|(id, index)| (*id, index.clone(), bind(*id, true))).collect();
        let named = |what: String| Error::Limit { node: describe(nodes, group.first()), what };
        if bindings.len() > limits.storage_buffers {
            let allowed = limits.storage_buffers;
            return Err(named(format!("its kernel needs {} buffers, and a shader may bind {allowed}", bindings.len())));
        }
        let groups = group.algorithm.groups();
        let x = groups.min(limits.groups as usize);
        let y = groups.div_ceil(x);
        if y > limits.groups as usize {
            return Err(named(format!("it takes {groups} workgroups, and a dispatch has {0} x {0}", limits.groups)));
        }
        let grid = [x as u32, y as u32];
        let mut algorithm = group.algorithm.clone();
        if let Algorithm::Rows(rows) = &mut algorithm {
            rows.elements = stores.iter().any(|s| s.1.flat(&nodes[s.0.index()].shape).mentions("r"));
        }
        Ok(Kernel { algorithm, loads, stores, bindings, grid })
    }
}

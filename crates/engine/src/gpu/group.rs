//! Which stored nodes share a kernel.
//!
//! A group is a product or reduction with the pointwise results that can be computed where its own result is at hand,
//! or several pointwise results of one length. Nodes join in program order; a node joins only if the kernels can still
//! be put in an order, and if the kernel still fits the number of buffers that a shader may bind.

use super::algorithm::{Algorithm, Function};
use super::attention::Attentions;
use super::expr::{Expr, Source};
use super::index::{Index, Ix};
use super::rows::Rows;
use super::store::{Choice, Storage, is_heavy};
use graph::{Node, NodeId, Op};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The nodes of one kernel.
pub(super) struct Group {
    pub(super) algorithm: Algorithm,
    /// Every node whose value the kernel has at hand, the algorithm's own results included, and at which index.
    pub(super) members: Vec<(NodeId, Index)>,
    /// Every node that the kernel loads, in order of first use.
    pub(super) reads: Vec<NodeId>,
}

impl Group {
    /// The id that gives a group its place among others that could run as well.
    pub(super) fn first(&self) -> NodeId {
        self.members.iter().map(|m| m.0).min().expect("a group has a member")
    }
}

/// What does not change while nodes are put into groups.
pub(super) struct Rules<'a> {
    pub(super) nodes: &'a [Node],
    /// Outputs and next values of states.
    pub(super) must: &'a [bool],
    /// Next values that may be written over their state, with that state.
    pub(super) in_place: &'a HashMap<NodeId, NodeId>,
    /// Products with a softmax between them.
    pub(super) attentions: &'a Attentions,
    /// Buffers a shader may bind.
    pub(super) bindings: usize,
    /// Threads that keep the device busy.
    pub(super) busy: usize,
}

/// The groups, as far as they are made.
pub(super) struct Groups<'a> {
    rules: Rules<'a>,
    storage: Storage,
    pub(super) list: Vec<Group>,
    /// The group of each stored node.
    pub(super) home: Vec<Option<usize>>,
    /// The next value of each state that may be written in place, and the groups that read the state: they come first.
    next: HashMap<NodeId, NodeId>,
    readers: HashMap<NodeId, BTreeSet<usize>>,
}

impl<'a> Groups<'a> {
    /// Puts every stored node into a group.
    pub(super) fn make(rules: Rules<'a>, storage: Storage) -> Groups<'a> {
        let n = rules.nodes.len();
        let next = rules.in_place.iter().map(|(&next, &state)| (state, next)).collect();
        let (list, home, readers) = (Vec::new(), vec![None; n], HashMap::new());
        let mut groups = Groups { rules, storage, list, home, next, readers };
        for id in (0..n as u32).map(NodeId) {
            if groups.storage.choices[id.index()] == Choice::Inline || groups.home[id.index()].is_some() {
                continue;
            }
            let heavy = is_heavy(&groups.rules.nodes[id.index()].op);
            let joined = match heavy {
                true => groups.join_rows(id),
                false => groups.join_producer(id) || groups.sink(id) || groups.join_sibling(id),
            };
            if !joined {
                groups.found(id);
            }
        }
        groups
    }

    /// Inlines a node that was to be stored only in the kernel that makes its input.
    fn sink(&mut self, id: NodeId) -> bool {
        let sink = self.storage.choices[id.index()] == Choice::Sink;
        if sink {
            self.storage.drop(id);
        }
        sink
    }

    /// Adds the node to a group that has one of its inputs at hand.
    fn join_producer(&mut self, id: NodeId) -> bool {
        let mut producers = self.producers(id);
        producers.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        producers.into_iter().any(|(_, g, index)| self.add(g, id, index))
    }

    /// Adds the node to a pointwise group of its length: one kernel less.
    fn join_sibling(&mut self, id: NodeId) -> bool {
        let algorithm = Algorithm::Pointwise { len: self.rules.nodes[id.index()].len() };
        let index = algorithm.store_index(&[]);
        (0..self.list.len()).any(|g| self.list[g].algorithm == algorithm && self.add(g, id, index.clone()))
    }

    /// Adds a reduction to a kernel that reduces equal rows, if it uses its results or loads what that one loads.
    fn join_rows(&mut self, id: NodeId) -> bool {
        let nodes = self.rules.nodes;
        let Algorithm::Rows(own) = Algorithm::of(nodes, self.rules.attentions, id, self.rules.busy) else {
            return false;
        };
        let loads: BTreeSet<NodeId> = self.loads_below(nodes[id.index()].inputs[0]);
        for g in (0..self.list.len()).rev() {
            let group = &self.list[g];
            if !group.reads.iter().chain(group.members.iter().map(|m| &m.0)).any(|n| loads.contains(n)) {
                continue;
            }
            let (algorithm, members) = (group.algorithm.clone(), group.members.clone());
            let joined = match algorithm {
                Algorithm::Rows(rows) => (0..=rows.phases())
                    .filter_map(|p| rows.with(&own, p))
                    .any(|joined| self.join(g, Algorithm::Rows(joined), members.clone(), id, own.store_index())),
                Algorithm::Pointwise { len } => self
                    .as_elements(g, &own, len)
                    .is_some_and(|members| self.join(g, Algorithm::Rows(own.clone()), members, id, own.store_index())),
                _ => false,
            };
            if joined {
                return true;
            }
        }
        false
    }

    /// The members of a pointwise group as results for the elements of rows.
    fn as_elements(&self, g: usize, rows: &Rows, len: usize) -> Option<Vec<(NodeId, Index)>> {
        let index = rows.element(&[len]).filter(|_| rows.holds_elements(self.rules.busy))?;
        // The members have other shapes than the rows.
        let index = Index::Flat(index.flat(&[len]));
        Some(self.list[g].members.iter().map(|m| (m.0, index.clone())).collect())
    }

    /// Groups that have something at hand which `id` reads, at the index of `id` given: stored nodes of its length behind
    /// pointwise operations, reshapes and permutations, and rows whose results it reads for each element.
    fn producers(&self, id: NodeId) -> Vec<(NodeId, usize, Index)> {
        let nodes = self.rules.nodes;
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut paths = vec![vec![id]];
        let climbed = |path: &[NodeId], index| path.iter().rev().fold(index, |ix, &up| climb(nodes, up, ix));
        while let Some(path) = paths.pop() {
            let (at, above) = path.split_last().expect("a path has its start");
            let node = &nodes[at.index()];
            if node.op == Op::Expand {
                let rows = self.rows_behind(node.inputs[0]);
                let index =
                    |(sum, g, rows): (NodeId, usize, &Rows)| Some((sum, g, climbed(above, rows.element(&node.shape)?)));
                found.extend(rows.into_iter().filter_map(index));
            }
            if !node.op.is_pointwise() && !matches!(node.op, Op::Reshape | Op::Permute(_)) {
                continue;
            }
            for &input in node.inputs.iter().filter(|i| nodes[i.index()].len() == node.len()) {
                if !seen.insert(input) {
                    continue;
                }
                let Some(home) = self.home[input.index()] else {
                    paths.push(path.iter().copied().chain([input]).collect());
                    continue;
                };
                let start = self.list[home].members.iter().find(|m| m.0 == input).map(|m| m.1.clone());
                found.push((input, home, climbed(&path, start.expect("a stored node is a member"))));
            }
        }
        found
    }

    /// The rows of which `id` is made by small operations, and that may compute results for each element.
    fn rows_behind(&self, id: NodeId) -> Vec<(NodeId, usize, &Rows)> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack = vec![id];
        while let Some(at) = stack.pop() {
            let node = &self.rules.nodes[at.index()];
            if let Some(home) = self.home[at.index()] {
                if let Algorithm::Rows(rows) = &self.list[home].algorithm
                    && rows.holds_elements(self.rules.busy)
                {
                    found.push((at, home, rows));
                }
            } else if node.op.is_pointwise() || matches!(node.op, Op::Reshape | Op::Permute(_) | Op::Expand) {
                stack.extend(node.inputs.iter().filter(|&&input| seen.insert(input)));
            }
        }
        found
    }

    /// Adds the node to a group.
    fn add(&mut self, g: usize, id: NodeId, index: Index) -> bool {
        let Group { algorithm, members, .. } = &self.list[g];
        self.join(g, algorithm.clone(), members.clone(), id, index)
    }

    /// Adds the node to a group of these members, whose algorithm becomes `algorithm`.
    fn join(
        &mut self,
        group: usize,
        algorithm: Algorithm,
        mut members: Vec<(NodeId, Index)>,
        id: NodeId,
        index: Index,
    ) -> bool {
        members.push((id, index));
        let Some(reads) = self.reads(&algorithm, &members) else {
            return false;
        };
        if self.circular(group, &members, &reads) || self.bindings(&members, &reads) > self.rules.bindings {
            return false;
        }
        self.home[id.index()] = Some(group);
        self.list[group] = Group { algorithm, members, reads: reads.into_keys_in_order() };
        self.note_readers(group);
        true
    }

    /// Whether the group with these members and reads could not be put in an order with the others.
    fn circular(&self, group: usize, members: &[(NodeId, Index)], reads: &Reads) -> bool {
        let sources: Vec<usize> = reads.iter().filter_map(|r| self.home[r.index()]).collect();
        let earlier: Vec<usize> = members.iter().flat_map(|m| self.read_before(m.0, group)).collect();
        // Groups that replace a state which this one reads come later.
        let later = reads.iter().filter_map(|r| self.home[self.next.get(r)?.index()]).filter(|&w| w != group);
        let later: Vec<usize> = later.collect();
        let needs = |a: &usize| self.depends(*a, group) || later.iter().any(|&w| self.depends(*a, w));
        sources.iter().chain(&earlier).any(needs)
    }

    /// The other groups that read the state which `next` replaces.
    fn read_before(&self, next: NodeId, group: usize) -> impl Iterator<Item = usize> {
        let readers = self.rules.in_place.get(&next).and_then(|state| self.readers.get(state));
        readers.into_iter().flatten().copied().filter(move |&g| g != group)
    }

    fn note_readers(&mut self, group: usize) {
        for read in &self.list[group].reads {
            if self.next.contains_key(read) {
                self.readers.entry(*read).or_default().insert(group);
            }
        }
    }

    /// Makes a group for the node alone; where that reads too many tensors, parts of it are stored first.
    fn found(&mut self, id: NodeId) {
        let nodes = self.rules.nodes;
        let node = &nodes[id.index()];
        let algorithm = if is_heavy(&node.op) {
            Algorithm::of(nodes, self.rules.attentions, id, self.rules.busy)
        } else {
            Algorithm::Pointwise { len: node.len() }
        };
        let members = vec![(id, algorithm.store_index(&node.shape))];
        loop {
            let reads = self.reads(&algorithm, &members).expect("a node alone is at its own index");
            if self.bindings(&members, &reads) > self.rules.bindings
                && let Some(part) = self.largest_part(id)
            {
                self.found(part);
                continue;
            }
            self.home[id.index()] = Some(self.list.len());
            self.list.push(Group { algorithm, members, reads: reads.into_keys_in_order() });
            self.note_readers(self.list.len() - 1);
            return;
        }
    }

    /// The inline node below `id` that reads most, but few enough to be a kernel.
    fn largest_part(&self, id: NodeId) -> Option<NodeId> {
        let nodes = self.rules.nodes;
        let mut stack = nodes[id.index()].inputs.clone();
        let mut seen = BTreeSet::new();
        let mut best = None;
        while let Some(at) = stack.pop() {
            if self.home[at.index()].is_some() || !seen.insert(at) {
                continue;
            }
            stack.extend(&nodes[at.index()].inputs);
            if self.rules.attentions.inner[at.index()] {
                continue;
            }
            let loads = self.loads_below(at).len();
            if nodes[at.index()].op.is_pointwise() && (2..self.rules.bindings).contains(&loads) {
                best = best.max(Some((loads, at)));
            }
        }
        best.map(|b| b.1)
    }

    /// The stored nodes of which `id` is computed.
    fn loads_below(&self, id: NodeId) -> BTreeSet<NodeId> {
        let source = |n: NodeId, _: &Ix| self.outside(n);
        let node = &self.rules.nodes[id.index()];
        let mut expr = Expr::new(self.rules.nodes, &source);
        expr.value(id, &Index::Flat(Ix::var("i", node.len())));
        expr.loads().map(|l| l.0).collect()
    }

    /// Where a node comes from that is no member of the group in question.
    fn outside(&self, id: NodeId) -> Source {
        let stored = self.home[id.index()].is_some() || matches!(self.rules.nodes[id.index()].op, Op::Input(_));
        if stored { Source::Load } else { Source::Inline }
    }

    /// What a kernel of these members reads; None if it needs one of them at another index than it has it.
    fn reads(&self, algorithm: &Algorithm, members: &[(NodeId, Index)]) -> Option<Reads> {
        let nodes = self.rules.nodes;
        let mut reads = Reads::default();
        let flats = flats(nodes, members);
        for function in algorithm.functions(nodes) {
            let source = |n: NodeId, ix: &Ix| {
                function_source(nodes, algorithm, &flats, &function, n, ix).unwrap_or_else(|| self.outside(n))
            };
            let mut expr = Expr::new(nodes, &source);
            for term in &function.values {
                expr.term(term);
            }
            expr.loads().for_each(|(node, _)| reads.add(node, None));
            if expr.refused {
                return None;
            }
        }
        let source = |n: NodeId, ix: &Ix| {
            member_source(nodes, algorithm, &flats, usize::MAX, n, ix).unwrap_or_else(|| self.outside(n))
        };
        let mut expr = Expr::new(nodes, &source);
        for (id, index) in members {
            expr.value(*id, index);
        }
        expr.loads().for_each(|(node, ix)| reads.add(node, Some(ix)));
        (!expr.refused).then_some(reads)
    }

    /// Buffers that the kernel binds.
    fn bindings(&self, members: &[(NodeId, Index)], reads: &Reads) -> usize {
        let inside: BTreeSet<NodeId> = members.iter().map(|m| m.0).collect();
        let written = |id: &NodeId| self.rules.must[id.index()] || !self.storage.roots[id.index()].is_subset(&inside);
        let own = |(id, index): &&(NodeId, Index)| {
            let flat = index.flat(&self.rules.nodes[id.index()].shape);
            let shared = self.rules.in_place.get(id).is_some_and(|state| reads.only_at(*state, &flat));
            written(id) && !shared
        };
        reads.places.len() + members.iter().filter(own).count()
    }

    /// Whether group `a` must come after group `b`, directly or because of others.
    fn depends(&self, a: usize, b: usize) -> bool {
        let mut stack = vec![a];
        let mut seen = BTreeSet::new();
        while let Some(at) = stack.pop() {
            if at == b {
                return true;
            }
            if seen.insert(at) {
                stack.extend(self.list[at].reads.iter().filter_map(|r| self.home[r.index()]));
                stack.extend(self.list[at].members.iter().flat_map(|m| self.read_before(m.0, at)));
            }
        }
        false
    }

    /// Whether the group may write `next` over `state`: it reads the state nowhere but at the index it writes.
    pub(super) fn replaces(&self, group: usize, next: NodeId, state: NodeId) -> bool {
        let g = &self.list[group];
        let Some((_, index)) = g.members.iter().find(|m| m.0 == next) else { return false };
        let reads = self.reads(&g.algorithm, &g.members).expect("a made group is consistent");
        let flat = index.flat(&self.rules.nodes[next.index()].shape);
        reads.places.get(&state).is_none_or(|_| reads.only_at(state, &flat))
    }
}

/// The flat index of each member.
pub(super) fn flats(nodes: &[Node], members: &[(NodeId, Index)]) -> BTreeMap<NodeId, Ix> {
    members.iter().map(|(id, index)| (*id, index.flat(&nodes[id.index()].shape))).collect()
}

/// Where a member of a kernel comes from inside it, before phase `p` of its algorithm; None for other nodes.
pub(super) fn member_source(
    nodes: &[Node],
    algorithm: &Algorithm,
    flats: &BTreeMap<NodeId, Ix>,
    p: usize,
    id: NodeId,
    ix: &Ix,
) -> Option<Source> {
    let at = flats.get(&id)?;
    Some(match (at == ix, is_heavy(&nodes[id.index()].op)) {
        (true, true) if algorithm.known(id, p) => Source::Own,
        (true, false) => Source::Inline,
        _ => Source::Refuse,
    })
}

/// Where a node comes from in a function that returns elements of operands; None for what is not the kernel's own.
pub(super) fn function_source(
    nodes: &[Node],
    algorithm: &Algorithm,
    flats: &BTreeMap<NodeId, Ix>,
    function: &Function,
    id: NodeId,
    ix: &Ix,
) -> Option<Source> {
    match &function.given {
        Some((given, index)) if *given == id => {
            let same = index.flat(&nodes[id.index()].shape) == *ix;
            Some(if same { Source::Own } else { Source::Refuse })
        }
        _ => function.phase.and_then(|p| member_source(nodes, algorithm, flats, p, id, ix)),
    }
}

/// The index of `up` that reads its input at `index`.
fn climb(nodes: &[Node], up: NodeId, index: Index) -> Index {
    let node = &nodes[up.index()];
    let from = &nodes[node.inputs[0].index()].shape;
    match &node.op {
        Op::Reshape => Index::Flat(index.flat(from)),
        Op::Permute(perm) => {
            let axes = index.axes(from);
            Index::Axes(perm.iter().map(|&p| axes[p].clone()).collect())
        }
        _ => index,
    }
}

/// The tensors that a kernel reads, and the one index at which it does, if it is one.
#[derive(Default)]
struct Reads {
    places: HashMap<NodeId, Option<Ix>>,
    order: Vec<NodeId>,
}

impl Reads {
    fn add(&mut self, id: NodeId, ix: Option<&Ix>) {
        let at = self.places.entry(id).or_insert_with(|| {
            self.order.push(id);
            ix.cloned()
        });
        if at.as_ref() != ix {
            *at = None;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &NodeId> {
        self.order.iter()
    }

    fn only_at(&self, id: NodeId, ix: &Ix) -> bool {
        self.places.get(&id).is_some_and(|at| at.as_ref() == Some(ix))
    }

    fn into_keys_in_order(self) -> Vec<NodeId> {
        self.order
    }
}

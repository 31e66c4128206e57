//! WGSL: a prelude of bindings and constants, the generated functions, and the hand-written algorithm. WGSL allows a
//! function to be used before it is declared, so this is concatenation.

use super::algorithm::{Function, Outlet};
use super::expr::{Expr, Item, Source};
use super::group::{flats, function_source, member_source};
use super::index::{Index, Ix};
use super::plan::Kernel;
use super::rows::vector;
use graph::{Binary, Compare, Node, NodeId, Op, Unary};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The text of a kernel. It depends on shapes and operations only, so equal layers share a pipeline.
pub(super) fn shader(nodes: &[Node], kernel: &Kernel) -> String {
    let text = format!("// {}{}\n", kernel.algorithm.name(), kernel.algorithm.cut());
    let mut shader = Shader { nodes, kernel, bindings: kernel.loads.iter().copied().collect(), text, helpers: false };
    shader.prelude();
    for function in kernel.algorithm.functions(nodes) {
        shader.function(&function);
    }
    for (i, outlet) in kernel.algorithm.outlets().iter().enumerate() {
        shader.outlet(i, outlet);
    }
    for template in kernel.algorithm.templates() {
        shader.text.push('\n');
        shader.text += &template;
    }
    if shader.helpers {
        shader.text.push('\n');
        shader.text += include_str!("wgsl/math.wgsl");
    }
    shader.text
}

/// A shader as far as it is written.
struct Shader<'a> {
    nodes: &'a [Node],
    kernel: &'a Kernel,
    /// The binding of each tensor that is loaded.
    bindings: BTreeMap<NodeId, usize>,
    text: String,
    /// Whether a function of math.wgsl is used.
    helpers: bool,
}

impl Shader<'_> {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a String cannot fail");
    }

    fn prelude(&mut self) {
        if self.kernel.bindings.iter().any(|b| b.half) {
            self.line("enable f16;");
        }
        for (i, binding) in self.kernel.bindings.iter().enumerate() {
            let ty = if binding.half { "f16" } else { "f32" };
            let access = if binding.writable { "read_write" } else { "read" };
            self.line(&format!("@group(0) @binding({i}) var<storage, {access}> t{i}: array<{ty}, {}>;", binding.len));
        }
        self.line(&format!("const GRID_X = {}u;", self.kernel.grid[0]));
        self.text += &self.kernel.algorithm.constants(self.nodes);
    }

    /// What the kernel has at hand, with the index at which it does: its own results, and what it stores.
    fn members(&self) -> Vec<(NodeId, Index)> {
        let own = self.kernel.algorithm.results().into_iter();
        let own = own.map(|id| (id, self.kernel.algorithm.store_index(&self.nodes[id.index()].shape)));
        self.kernel.stores.iter().map(|s| (s.0, s.1.clone())).chain(own).collect()
    }

    fn outside(&self, id: NodeId) -> Source {
        if self.bindings.contains_key(&id) { Source::Load } else { Source::Inline }
    }

    /// A function that returns elements of operands.
    fn function(&mut self, function: &Function) {
        let flats = flats(self.nodes, &self.members());
        let algorithm = &self.kernel.algorithm;
        let source = |id: NodeId, ix: &Ix| {
            let inside = function_source(self.nodes, algorithm, &flats, function, id, ix);
            inside.unwrap_or_else(|| self.outside(id))
        };
        let mut expr = Expr::new(self.nodes, &source);
        let values: Vec<usize> = function.values.iter().map(|term| expr.term(term)).collect();
        let (items, ty) = (expr.items, vector(values.len()));
        let given = if function.given.is_some() { ", v: f32" } else { "" };
        self.line(&format!("\nfn {}({}{given}) -> {ty} {{", function.name, params(function.params)));
        self.steps(&items);
        let values: Vec<String> = values.iter().map(|&at| self.name(&items, at)).collect();
        match values.as_slice() {
            [value] => self.line(&format!("    return {value};\n}}")),
            _ => self.line(&format!("    return {ty}({});\n}}", values.join(", "))),
        }
    }

    /// A function that writes those results which belong to it.
    fn outlet(&mut self, at: usize, outlet: &Outlet) {
        let kernel = self.kernel;
        let flats = flats(self.nodes, &self.members());
        let source = |id: NodeId, ix: &Ix| {
            let inside = member_source(self.nodes, &kernel.algorithm, &flats, usize::MAX, id, ix);
            inside.unwrap_or_else(|| self.outside(id))
        };
        let mut expr = Expr::new(self.nodes, &source);
        let flat = |id: NodeId, index: &Index| index.flat(&self.nodes[id.index()].shape);
        let stores = kernel.stores.iter().map(|(id, index, binding)| (*id, index, flat(*id, index), *binding));
        let stores: Vec<_> = stores
            .filter(|(_, _, flat, _)| kernel.algorithm.outlet_of(flat) == at)
            .map(|(id, index, flat, binding)| (flat, binding, expr.value(id, index)))
            .collect();
        let items = expr.items;
        let value = if outlet.value { ", v: f32" } else { "" };
        self.line(&format!("\nfn {}({}{value}) {{", outlet.name, params(outlet.params)));
        self.steps(&items);
        for (flat, binding, value) in stores {
            let value = self.name(&items, value);
            // Beyond the range of f16 lies infinity, and infinity minus itself is no number.
            let value = match kernel.bindings[binding].half {
                true => format!("f16(clamp({value}, -65504.0, 65504.0))"),
                false => value,
            };
            self.line(&format!("    t{binding}[{flat}] = {value};"));
        }
        self.line("}");
    }

    /// One `let` a step.
    fn steps(&mut self, items: &[Item]) {
        for (i, item) in items.iter().enumerate() {
            let arg = |at: &usize| self.name(items, *at);
            let value = match item {
                Item::Const(_) | Item::Own(_) => continue,
                Item::Load(id, ix) => match self.bindings[id] {
                    at if self.kernel.bindings[at].half => format!("f32(t{at}[{ix}])"),
                    at => format!("t{at}[{ix}]"),
                },
                Item::Number(ix) => format!("f32({ix})"),
                Item::Pick(value, n) => {
                    let v = arg(value);
                    format!("select({n}u, u32({v}), {v} >= 0.0 && {v} < {n}.0)")
                }
                Item::Within(bounds, value) => {
                    let inside: Vec<String> = bounds.iter().map(|(ix, n)| format!("({ix}) < {n}u")).collect();
                    format!("select(0.0, {}, {})", arg(value), inside.join(" && "))
                }
                Item::Op(op, args) => {
                    // Of constants alone it would be a constant expression, in which infinity is an error.
                    let constant = args.iter().all(|at| matches!(items[*at], Item::Const(_)));
                    let mut args: Vec<String> = args.iter().map(arg).collect();
                    if constant {
                        name_all(&mut self.text, i, &mut args);
                    }
                    self.helpers |= matches!(op, Op::Unary(Unary::Sigmoid | Unary::Softplus | Unary::Sin | Unary::Cos));
                    operation(op, &args)
                }
            };
            self.line(&format!("    let v{i} = {value};"));
        }
    }

    fn name(&self, items: &[Item], at: usize) -> String {
        match &items[at] {
            Item::Const(bits) => constant(f32::from_bits(*bits)),
            Item::Own(id) => self.kernel.algorithm.result_name(*id).expect("an own result has a name"),
            _ => format!("v{at}"),
        }
    }
}

fn params(names: &[&str]) -> String {
    names.iter().map(|n| format!("{n}: u32")).collect::<Vec<_>>().join(", ")
}

/// Gives constants names, which makes them no constant expressions any more.
fn name_all(text: &mut String, step: usize, args: &mut [String]) {
    for (k, arg) in args.iter_mut().enumerate() {
        writeln!(text, "    let c{step}_{k} = {arg};").expect("writing to a String cannot fail");
        *arg = format!("c{step}_{k}");
    }
}

/// Debug formatting gives the shortest digits that read back as the same f32. Where a literal is long, or close to
/// the ends of the range (Tint refuses -3.4028235e38), the bits are written instead.
fn constant(value: f32) -> String {
    match value.abs() {
        0.0 if value.is_sign_positive() => "0.0".into(),
        1e-4..1e6 if value > 0.0 => format!("{value:?}f"),
        1e-4..1e6 => format!("({value:?}f)"),
        _ => format!("bitcast<f32>({:#x}u)", value.to_bits()),
    }
}

fn operation(op: &Op, args: &[String]) -> String {
    let a = &args[0];
    match op {
        Op::Unary(f) => match f {
            Unary::Neg => format!("-{a}"),
            // Beyond, f32 overflows, and WGSL leaves open what that gives.
            Unary::Exp => format!("exp(min({a}, 88.7))"),
            Unary::Ln => format!("log({a})"),
            Unary::Sqrt => format!("sqrt({a})"),
            Unary::Sin => format!("sine({a}, 0)"),
            Unary::Cos => format!("sine({a}, 1)"),
            // Drivers compute it from exponentials, which overflow; at 15 it is 1 in f32.
            Unary::Tanh => format!("tanh(clamp({a}, -15.0, 15.0))"),
            Unary::Abs => format!("abs({a})"),
            Unary::Sigmoid => format!("sigmoid({a})"),
            Unary::Softplus => format!("softplus({a})"),
        },
        Op::Binary(f) => match f {
            Binary::Add => format!("{a} + {}", args[1]),
            Binary::Sub => format!("{a} - {}", args[1]),
            Binary::Mul => format!("{a} * {}", args[1]),
            Binary::Div => format!("{a} / {}", args[1]),
            Binary::Max => format!("max({a}, {})", args[1]),
            Binary::Min => format!("min({a}, {})", args[1]),
        },
        Op::Compare(f) => {
            let sign = match f {
                Compare::Lt => "<",
                Compare::Le => "<=",
                Compare::Eq => "==",
            };
            format!("select(0.0, 1.0, {a} {sign} {})", args[1])
        }
        Op::Select => format!("select({}, {}, {a} != 0.0)", args[2], args[1]),
        op => unreachable!("{op} is no step"),
    }
}

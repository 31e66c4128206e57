//! WGSL: a prelude of bindings and constants, the generated functions, and the hand-written algorithm. WGSL allows a
//! function to be used before it is declared, so this is concatenation.

use super::expr::{Expr, Item, Source};
use super::group::{flats, member_source};
use super::index::{Index, Ix};
use super::plan::Kernel;
use graph::{Binary, Compare, Node, NodeId, Op, Unary};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The text of a kernel. It depends on shapes and operations only, so equal layers share a pipeline.
pub(super) fn shader(nodes: &[Node], kernel: &Kernel) -> String {
    let mut text = format!("// {}{}\n", kernel.algorithm.name(), kernel.algorithm.cut());
    for (i, binding) in kernel.bindings.iter().enumerate() {
        let access = if binding.writable { "read_write" } else { "read" };
        line(&mut text, &format!("@group(0) @binding({i}) var<storage, {access}> t{i}: array<f32, {}>;", binding.len));
    }
    line(&mut text, &format!("const GRID_X = {}u;", kernel.grid[0]));
    text += &kernel.algorithm.constants(nodes, kernel.heavy);
    let bindings: BTreeMap<NodeId, usize> = kernel.loads.iter().copied().collect();
    let mut helpers = false;
    if let Some(id) = kernel.heavy {
        for operand in kernel.algorithm.operands(nodes, id) {
            let source = |n: NodeId, _: &Ix| outside(&bindings, n);
            let mut expr = Expr::new(nodes, &source);
            let value = expr.value(operand.node, &operand.index);
            line(&mut text, &format!("\nfn {}({}) -> f32 {{", operand.name, params(operand.params)));
            helpers |= steps(&mut text, &expr.items, &bindings);
            line(&mut text, &format!("    return {};\n}}", name(&expr.items, value)));
        }
    }
    helpers |= store(&mut text, nodes, kernel, &bindings);
    for template in kernel.algorithm.templates() {
        text.push('\n');
        text += &template;
    }
    if helpers {
        text.push('\n');
        text += include_str!("wgsl/math.wgsl");
    }
    text
}

/// The function that gets the kernel's own value `v` and writes all results.
fn store(text: &mut String, nodes: &[Node], kernel: &Kernel, bindings: &BTreeMap<NodeId, usize>) -> bool {
    let own = kernel.heavy.map(|id| (id, kernel.algorithm.store_index(&nodes[id.index()].shape)));
    let members: Vec<(NodeId, Index)> = kernel.stores.iter().map(|s| (s.0, s.1.clone())).chain(own).collect();
    let flats = flats(nodes, &members);
    let source =
        |n: NodeId, ix: &Ix| member_source(kernel.heavy, &flats, n, ix).unwrap_or_else(|| outside(bindings, n));
    let mut expr = Expr::new(nodes, &source);
    let values: Vec<usize> = kernel.stores.iter().map(|(id, index, _)| expr.value(*id, index)).collect();
    let value = if kernel.heavy.is_some() { ", v: f32" } else { "" };
    line(text, &format!("\nfn store({}{value}) {{", params(kernel.algorithm.store_params())));
    let helpers = steps(text, &expr.items, bindings);
    for ((id, index, binding), value) in kernel.stores.iter().zip(values) {
        let flat = index.flat(&nodes[id.index()].shape);
        line(text, &format!("    t{binding}[{flat}] = {};", name(&expr.items, value)));
    }
    line(text, "}");
    helpers
}

fn outside(bindings: &BTreeMap<NodeId, usize>, id: NodeId) -> Source {
    if bindings.contains_key(&id) { Source::Load } else { Source::Inline }
}

fn params(names: &[&str]) -> String {
    names.iter().map(|n| format!("{n}: u32")).collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}

/// One `let` a step. Says whether a function of math.wgsl was used.
fn steps(text: &mut String, items: &[Item], bindings: &BTreeMap<NodeId, usize>) -> bool {
    let mut helpers = false;
    for (i, item) in items.iter().enumerate() {
        let arg = |at: &usize| name(items, *at);
        let value = match item {
            Item::Const(_) | Item::Own => continue,
            Item::Load(id, ix) => format!("t{}[{ix}]", bindings[id]),
            Item::Number(ix) => format!("f32({ix})"),
            Item::Within(bounds, value) => {
                let inside: Vec<String> = bounds.iter().map(|(ix, n)| format!("({ix}) < {n}u")).collect();
                format!("select(0.0, {}, {})", arg(value), inside.join(" && "))
            }
            Item::Op(op, args) => {
                // Of constants alone it would be a constant expression, in which infinity is an error.
                let constant = args.iter().all(|at| matches!(items[*at], Item::Const(_)));
                let mut args: Vec<String> = args.iter().map(arg).collect();
                if constant {
                    name_all(text, i, &mut args);
                }
                helpers |= matches!(op, Op::Unary(Unary::Sigmoid | Unary::Softplus));
                operation(op, &args)
            }
        };
        line(text, &format!("    let v{i} = {value};"));
    }
    helpers
}

/// Gives constants names, which makes them no constant expressions any more.
fn name_all(text: &mut String, step: usize, args: &mut [String]) {
    for (k, arg) in args.iter_mut().enumerate() {
        line(text, &format!("    let c{step}_{k} = {arg};"));
        *arg = format!("c{step}_{k}");
    }
}

fn name(items: &[Item], at: usize) -> String {
    match &items[at] {
        Item::Const(bits) => constant(f32::from_bits(*bits)),
        Item::Own => "v".into(),
        _ => format!("v{at}"),
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
            Unary::Sin => format!("sin({a})"),
            Unary::Cos => format!("cos({a})"),
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

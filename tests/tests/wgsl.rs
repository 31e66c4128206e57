//! Every shader, read by a second compiler: naga's validator here, and a search for what Chromium's refuses.

use conformance::shaders::{programs, shaders};
use engine::gpu::{Limits, Plan};
use naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_shader_is_valid() {
    for text in shaders(false).into_iter().chain(shaders(true)) {
        let module =
            naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(&text)));
        let f16 = text.contains("enable f16;");
        let capabilities = if f16 { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() };
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        validator.validate(&module).unwrap_or_else(|e| panic!("{}\n{text}", e.emit_to_string(&text)));
    }
}

#[test]
fn no_shader_has_what_other_compilers_refuse() {
    for text in shaders(false) {
        let code: String =
            text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        for word in ["3.4028235e38", "inf", "NaN", "nan(", "enable ", "subgroup", "f16"] {
            assert!(!code.contains(word), "'{word}' in\n{text}");
        }
        for bits in code.split("bitcast<f32>(0x").skip(1).map(|rest| rest.split("u)").next().unwrap_or_default()) {
            let value = u32::from_str_radix(bits, 16).map(f32::from_bits).unwrap_or(f32::NAN);
            assert!(value.is_finite(), "bits {bits} in\n{text}");
        }
    }
}

/// One buffer under two bindings, one of them writable, is an error of WebGPU; a plan binds each buffer once.
#[test]
fn a_plan_binds_no_more_buffers_than_allowed() {
    for storage_buffers in [4, 5, 8] {
        let limits = Limits { storage_buffers, ..Limits::default() };
        for program in programs() {
            let plan = Plan::new(&program, &limits).unwrap_or_else(|e| panic!("{e}"));
            for text in plan.shaders() {
                assert!(text.matches("@binding(").count() <= storage_buffers, "{text}");
            }
        }
    }
}

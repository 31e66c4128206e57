//! Loops over single values, compiled also for the vectors that only some machines have.
//!
//! Natively the crate is built for any x86-64, whose vectors hold 4 numbers. Wider ones change no bit: nothing is fused
//! into multiply-adds, and sums have the order that the code gives them.

/// Work that consists of such loops. `run` and all that it calls is `#[inline(always)]`: a function of its own, or a
/// closure that is not inlined, would be compiled for any machine.
pub(super) trait Loops {
    fn run(self);
}

/// Runs `loops` with the widest vectors of this machine.
#[cfg(target_arch = "x86_64")]
pub(super) fn vectorize(loops: impl Loops) {
    struct Op<L>(L);

    impl<L: Loops> pulp::NullaryFnOnce for Op<L> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            self.0.run();
        }
    }

    pulp::Arch::new().dispatch(Op(loops));
}

/// Runs `loops`: the crate was built for the vectors of this machine.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn vectorize(loops: impl Loops) {
    loops.run();
}

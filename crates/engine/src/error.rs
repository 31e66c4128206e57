/// What can go wrong when a Program is loaded or run. Every message is a sentence a user can act on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no usable GPU; the text says why.
    #[error("no GPU can be used: {0}")]
    NoGpu(String),
    /// A node needs more than the device allows.
    #[error("{node} is too large for this GPU: {what}")]
    Limit {
        /// The node, as the printed Program shows it.
        node: String,
        /// What is needed and what is allowed.
        what: String,
    },
    /// A shader did not compile, or a command was refused: a bug in the engine.
    #[error("the GPU refused kernel {kernel}: {message}")]
    Shader {
        /// Name of the kernel.
        kernel: String,
        /// The driver's words.
        message: String,
    },
    /// The device has no memory left.
    #[error("the GPU has no memory left: {0}")]
    OutOfMemory(String),
    /// The device went away: unplugged, reset, or taken by the browser.
    #[error("the GPU was lost: {0}")]
    DeviceLost(String),
    /// The Program has no input, output or state of that name.
    #[error("the program has no value named '{0}'")]
    NoSuch(String),
    /// The number of values does not fit the shape.
    #[error("'{name}' takes {expected} values and got {got}")]
    Length {
        /// Name of the input.
        name: String,
        /// Number of elements of its shape.
        expected: usize,
        /// Number of values given.
        got: usize,
    },
    /// An output was read, or a step was made, before all inputs were written.
    #[error("'{0}' has no value yet")]
    NoValue(String),
    /// The CPU engine could not compute a node.
    #[error("the CPU engine failed at {node}: {message}")]
    Cpu {
        /// The node, as the printed Program shows it.
        node: String,
        /// What is missing.
        message: String,
    },
}

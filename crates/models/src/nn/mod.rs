//! Layers, densities, losses and the optimiser, as functions from tensors to tensors. Parameters are named as PyTorch
//! names them.

mod attention;
mod conv;
mod density;
mod layers;
mod loss;
mod norm;
mod optimiser;
pub mod schedule;
mod softmax;

pub use attention::{attention, causal_mask, merge_heads, split_heads};
pub use conv::{
    average_pool, concat, conv, conv_transpose, conv_with, pixel_shuffle, pixel_unshuffle, upsample_conv,
    upsample_nearest,
};
pub use density::{
    HALF_LN_TAU, bernoulli_log_prob, discretised_logistic_log_prob, normal_kl, standard_normal_log_prob,
};
pub use layers::{embedding, gelu, label_embedding, linear, linear_with, time_embedding};
pub use loss::{cross_entropy, mean_squared_error};
pub use norm::{group_norm, layer_norm, rms_norm, standardise};
pub use optimiser::{AdamW, Update};
pub use softmax::{log_softmax, log_sum_exp, softmax};

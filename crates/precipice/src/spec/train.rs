//! How a network is trained.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Optimization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSpec {
    /// Optimizer updates.
    pub steps: u64,
    /// Sequences in a batch.
    pub batch_size: usize,
    /// The update rule.
    pub optimizer: OptimizerSpec,
    /// The learning rate over time.
    pub schedule: ScheduleSpec,
    /// Largest global gradient norm; larger gradients are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Parameter groups (a tensor's name or a dotted prefix of names) held fixed before a step.
    pub freeze_until: BTreeMap<String, u64>,
    /// Factors on the learning rate of parameter groups; the longest name that fits a tensor counts.
    pub rate_factors: BTreeMap<String, f64>,
}

impl Default for TrainSpec {
    fn default() -> Self {
        Self {
            steps: 4000,
            batch_size: 128,
            optimizer: OptimizerSpec::Sgd(SgdSpec { learning_rate: 0.2, momentum: 0.0, decay: 0.0 }),
            schedule: ScheduleSpec::default(),
            clip_norm: None,
            freeze_until: BTreeMap::new(),
            rate_factors: BTreeMap::new(),
        }
    }
}

/// The update rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerSpec {
    /// Stochastic gradient descent.
    Sgd(SgdSpec),
    /// Adam, or AdamW where decay is not zero.
    Adam(AdamSpec),
}

impl OptimizerSpec {
    /// The peak learning rate.
    pub fn learning_rate(&self) -> f64 {
        match self {
            OptimizerSpec::Sgd(sgd) => sgd.learning_rate,
            OptimizerSpec::Adam(adam) => adam.learning_rate,
        }
    }

    /// Changes it.
    pub fn set_learning_rate(&mut self, rate: f64) {
        match self {
            OptimizerSpec::Sgd(sgd) => sgd.learning_rate = rate,
            OptimizerSpec::Adam(adam) => adam.learning_rate = rate,
        }
    }
}

/// v <- momentum v + g; theta <- (1 - decay) theta - learning_rate v.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SgdSpec {
    /// Learning rate.
    pub learning_rate: f64,
    /// Momentum coefficient.
    #[serde(default)]
    pub momentum: f64,
    /// Shrinkage of the parameters at every step, not multiplied by the learning rate.
    #[serde(default)]
    pub decay: f64,
}

/// Adam (Kingma and Ba 2015) with decoupled decay (Loshchilov and Hutter 2019).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdamSpec {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay of the first moment.
    #[serde(default = "default_adam_beta1")]
    pub adam_beta1: f64,
    /// Decay of the second moment.
    #[serde(default = "default_adam_beta2")]
    pub adam_beta2: f64,
    /// Added to the root of the second moment.
    #[serde(default = "default_epsilon")]
    pub epsilon: f64,
    /// theta <- (1 - learning_rate decay) theta before the step.
    #[serde(default)]
    pub decay: f64,
}

fn default_adam_beta1() -> f64 {
    0.9
}
fn default_adam_beta2() -> f64 {
    0.999
}
fn default_epsilon() -> f64 {
    1e-8
}

/// Linear warm-up, then a constant rate or a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSpec {
    /// Steps over which the rate rises linearly from 1/warmup_steps of its peak.
    pub warmup_steps: u64,
    /// What follows.
    pub shape: ScheduleShape,
    /// Fraction of the peak that a cosine ends at.
    pub final_fraction: f64,
}

impl Default for ScheduleSpec {
    fn default() -> Self {
        Self { warmup_steps: 0, shape: ScheduleShape::Constant, final_fraction: 0.0 }
    }
}

/// The learning rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleShape {
    /// Stays at its peak.
    Constant,
    /// Half a cosine down to `final_fraction`.
    Cosine,
}

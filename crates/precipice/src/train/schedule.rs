//! Learning rate over time.

use crate::spec::{ScheduleShape, ScheduleSpec};

/// Fraction of the peak learning rate at a step (from 0) of a run of `n_steps`.
///
/// Warm-up: (step + 1) / warmup_steps. Then 1, or f + (1 - f)(1 + cos(pi x))/2 with x the fraction
/// of the remaining steps.
pub fn rate_factor(schedule: &ScheduleSpec, step: u64, n_steps: u64) -> f64 {
    if step < schedule.warmup_steps {
        return (step + 1) as f64 / schedule.warmup_steps as f64;
    }
    match schedule.shape {
        ScheduleShape::Constant => 1.0,
        ScheduleShape::Cosine => {
            let remaining = n_steps.saturating_sub(schedule.warmup_steps).max(1);
            let x = (step - schedule.warmup_steps) as f64 / remaining as f64;
            let f = schedule.final_fraction;
            f + (1.0 - f) * (1.0 + libm::cos(std::f64::consts::PI * x)) / 2.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_then_falls_to_the_final_fraction() {
        let cosine = ScheduleSpec { warmup_steps: 4, shape: ScheduleShape::Cosine, final_fraction: 0.1 };
        assert_eq!(rate_factor(&cosine, 0, 20), 0.25);
        assert_eq!(rate_factor(&cosine, 3, 20), 1.0);
        assert_eq!(rate_factor(&cosine, 4, 20), 1.0);
        assert!((rate_factor(&cosine, 12, 20) - 0.55).abs() < 1e-12);
        assert!((rate_factor(&cosine, 20, 20) - 0.1).abs() < 1e-12);
        assert_eq!(rate_factor(&ScheduleSpec::default(), 1_000_000, 10), 1.0);
    }
}

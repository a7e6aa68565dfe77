//! A quantity over time, given at some times.

/// Linear between its (time, value) points, constant before the first and after the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    points: Vec<(f64, f64)>,
}

/// Points that make no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a schedule needs at least one point, finite numbers, and times that increase")]
pub struct ScheduleError;

impl Schedule {
    /// The schedule through (time, value) points.
    ///
    /// # Errors
    /// If there are none, one is not finite, or the times do not increase.
    ///
    /// ```
    /// use precipice::theory::Schedule;
    /// let schedule = Schedule::new(vec![(0.0, 1.0), (10.0, 3.0)]).unwrap();
    /// assert_eq!([schedule.at(5.0), schedule.at(20.0)], [2.0, 3.0]);
    /// ```
    pub fn new(points: Vec<(f64, f64)>) -> Result<Self, ScheduleError> {
        let is_finite = points.iter().all(|(t, value)| t.is_finite() && value.is_finite());
        if points.is_empty() || !is_finite || !points.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(ScheduleError);
        }
        Ok(Self { points })
    }

    /// Value at a time.
    pub fn at(&self, t: f64) -> f64 {
        match self.around(t) {
            [Some(&(t0, v0)), Some(&(t1, v1))] => v0 + (v1 - v0) * ((t - t0) / (t1 - t0)),
            [Some(&(_, value)), None] | [None, Some(&(_, value))] => value,
            [None, None] => f64::NAN,
        }
    }

    /// Slope at a time between its points; 0 outside.
    pub(super) fn slope(&self, t: f64) -> f64 {
        match self.around(t) {
            [Some((t0, v0)), Some((t1, v1))] => (v1 - v0) / (t1 - t0),
            _ => 0.0,
        }
    }

    /// Values at the points.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|point| point.1)
    }

    /// Times of its points.
    pub(super) fn times(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|point| point.0)
    }

    /// The points before and after a time.
    fn around(&self, t: f64) -> [Option<&(f64, f64)>; 2] {
        let after = self.points.partition_point(|point| point.0 <= t);
        [after.checked_sub(1).and_then(|before| self.points.get(before)), self.points.get(after)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_between_points_and_constant_outside() {
        let schedule = Schedule::new(vec![(1.0, 10.0), (3.0, 20.0)]).unwrap();
        assert_eq!([0.0, 1.0, 2.0, 3.0, 9.0].map(|t| schedule.at(t)), [10.0, 10.0, 15.0, 20.0, 20.0]);
        assert_eq!([0.0, 2.0, 9.0].map(|t| schedule.slope(t)), [0.0, 5.0, 0.0]);
    }

    #[test]
    fn points_that_make_no_schedule() {
        for points in [vec![], vec![(0.0, f64::NAN)], vec![(1.0, 0.0), (1.0, 1.0)], vec![(2.0, 0.0), (1.0, 1.0)]] {
            assert_eq!(Schedule::new(points), Err(ScheduleError));
        }
    }
}

//! From the rows of a regression run to its curves: loss between those of the predictors, nearness to descent.

use super::StoredRun;
use crate::figure::{BandPanel, BandSeries, Bands};

/// Columns of the predictors' losses and what they are called.
const PREDICTORS: [(&str, &str); 6] = [
    ("zero_loss", "answering 0"),
    ("average_loss", "mean of y"),
    ("gd_loss", "gradient descent"),
    ("gd_plus_plus_loss", "GD++"),
    ("pool_loss", "posterior of the pool"),
    ("ridge_loss", "exact (ridge)"),
];

impl StoredRun {
    /// The loss with the predictors' losses, and where probes were on the comparison with gradient descent.
    pub(super) fn regression_curves(&self) -> Bands {
        let first = &self.rows[0];
        let predictors = PREDICTORS.iter().filter(|(column, _)| first.get(column).is_finite());
        let mut panels = vec![BandPanel {
            heading: String::new(),
            y_name: "loss".to_owned(),
            series: vec![self.curve("trained network", "loss")],
            references: predictors.map(|(column, name)| ((*name).to_owned(), first.get(column))).collect(),
            marks: self.jump().map(|jump| jump.t50).into_iter().collect(),
        }];
        for (measure, y_name) in
            [("sensitivity_cosine", "cosine of sensitivities"), ("prediction_difference", "difference of predictions")]
        {
            let with = [("gd", "with gradient descent"), ("gd_plus_plus", "with GD++")];
            let series: Vec<BandSeries> = with
                .iter()
                .map(|(predictor, words)| (format!("{predictor}_{measure}"), words))
                .filter(|(column, _)| self.has(column))
                .map(|(column, words)| self.curve(words, &column))
                .collect();
            if !series.is_empty() {
                let (heading, y_name) = (String::new(), y_name.to_owned());
                panels.push(BandPanel { heading, y_name, series, references: Vec::new(), marks: Vec::new() });
            }
        }
        Bands { title: self.title(), x_name: None, panels }
    }

    /// One column of one run: a band without width.
    fn curve(&self, name: &str, column: &str) -> BandSeries {
        let values = self.column(column).into_iter().map(|value| [value; 3]).collect();
        BandSeries { name: name.to_owned(), x: self.steps(), values }
    }
}

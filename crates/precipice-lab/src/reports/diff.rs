//! What differs between two runs.

use serde::Serialize;

use crate::error::LabError;
use crate::runs::{Parted, RunsDifference, Side, StatesDifference, StoredRun};
use crate::store::RunOutcome;

/// What `diff` says.
#[derive(Clone, Debug, Serialize)]
pub struct DiffReport {
    /// Whether rows and states have the same bits, whatever the specs say.
    pub same: bool,
    /// That, or where the runs part, in a sentence.
    pub verdict: String,
    /// The first run.
    pub a: Compared,
    /// The second.
    pub b: Compared,
    /// What differs.
    #[serde(flatten)]
    pub difference: RunsDifference,
    /// File of the figure, or null.
    pub figure: Option<String>,
}

/// One of two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// The run directory.
    pub run_dir: String,
    /// Name in the spec.
    pub name: String,
    /// Address of the resolved spec.
    pub spec_hash: String,
    /// How it ended; null where it is not finished.
    pub outcome: Option<RunOutcome>,
    /// Rows of its log.
    pub n_rows: usize,
    /// Digest of its final parameters; null where it is not finished.
    pub digest: Option<String>,
}

impl Compared {
    fn new(run: &StoredRun) -> Result<Self, LabError> {
        let manifest = run.run_dir.manifest(&run.spec)?;
        Ok(Self {
            run_dir: run.run_dir.root().display().to_string(),
            name: run.spec.name.clone(),
            spec_hash: run.spec.hash(),
            outcome: manifest.as_ref().map(|manifest| manifest.outcome),
            n_rows: run.rows.len(),
            digest: manifest.map(|manifest| manifest.digest),
        })
    }
}

impl DiffReport {
    /// Of two runs and what differs between them.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub fn new([a, b]: [&StoredRun; 2], difference: RunsDifference) -> Result<Self, LabError> {
        let (same, verdict) = (difference.is_none(), verdict(&difference));
        Ok(Self { same, verdict, a: Compared::new(a)?, b: Compared::new(b)?, difference, figure: None })
    }
}

/// The answer in a sentence, the most telling first.
fn verdict(found: &RunsDifference) -> String {
    let RunsDifference { rows, states, .. } = found;
    if found.is_none() {
        let digest = states.digest.as_ref().map_or_else(String::new, |digest| format!(", digest {digest}"));
        return format!("same bits: {} rows, {} states{digest}", rows.compared, states.compared);
    }
    let in_log =
        rows.first.as_ref().map_or_else(String::new, |first| format!("; the logs differ from step {} on", first.step));
    if let Some(words) = not_reproduced(states) {
        return words + &in_log;
    }
    if let Some(parted) = &states.parted {
        return parted_words(parted, has_all(states)) + &in_log;
    }
    if states.tensors == 0 {
        return format!("different networks: no tensor has the same name and shape in both{in_log}");
    }
    let same =
        if states.compared > 0 || states.replayed.is_some() { "the same parameters" } else { "no states of one step" };
    if let Some(first) = &rows.first {
        return format!("{same}, but the logs differ from step {} on", first.step);
    }
    if !has_all(states) {
        return "the same bits in the tensors and columns that both have, but not all are in both".to_owned();
    }
    if !rows.columns_only_a.is_empty() || !rows.columns_only_b.is_empty() {
        return format!("{same}, and the same rows in the columns that both have, but not all are in both");
    }
    match (states.last_a, states.last_b) {
        (a, b) if a == b => format!("{same}, but not the same rows: one has rows of steps that the other has not"),
        (a, b) => {
            let (side, last, other) = if a > b { ("A", a, b) } else { ("B", b, a) };
            let step = |step: Option<u64>| step.map_or_else(|| "none".to_owned(), |step| format!("step {step}"));
            format!("same bits as far as both go; {side} goes on to {}, the other to {}", step(last), step(other))
        }
    }
}

/// Whether both have the same tensors.
fn has_all(states: &StatesDifference) -> bool {
    states.only_a.is_empty() && states.only_b.is_empty() && states.other_shapes.is_empty()
}

fn parted_words(parted: &Parted, has_all: bool) -> String {
    let all = if has_all { "all" } else { "all that both have" };
    let what = if parted.in_parameters { "the parameters" } else { "the optimizer's moments, not the parameters," };
    match (parted.same_until, parted.step) {
        (Some(same), step) if same + 1 == step => {
            format!("they part at step {step}: until step {same} {all} is the same, then {what} differ")
        }
        (Some(same), step) => format!("they part between steps {same} and {step}: {what} differ"),
        (None, 0) => format!("they differ from the start: {what} differ at step 0"),
        (None, step) => format!("they have parted by step {step}: {what} differ"),
    }
}

/// Where what is stored is not what this program makes.
fn not_reproduced(states: &StatesDifference) -> Option<String> {
    let [.., until] = states.replayed?;
    let whose = match &states.not_reproduced[..] {
        [] => return None,
        [Side::A] => "the state of A that is stored is another one",
        [Side::B] => "the state of B that is stored is another one",
        _ => "the states that are stored are other ones",
    };
    let since = states.parted.as_ref().and_then(|parted| parted.same_until);
    let since = since.map_or_else(String::new, |same| format!(" from step {same}"));
    Some(format!("replayed here{since}, both have the same bits at step {until}, and {whose}"))
}

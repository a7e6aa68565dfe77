//! Trains `copying-small` with the probe of this crate and prints columns of its log:
//! `cargo run --release -p own-probe [COLUMN ...]`.

use own_probe::build;
use precipice::record::MemoryRecorder;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options, StoredRun};
use precipice_lab::whole_run::train_and_draw_run;

fn main() -> anyhow::Result<()> {
    let mut columns: Vec<String> = std::env::args().skip(1).collect();
    if columns.is_empty() {
        columns = ["accuracy", "query_entropy_1", "qk_rank_0", "qk_rank_1"].map(str::to_owned).to_vec();
    }
    let spec = spec_file::load("copying-small", &Changes::default())?;
    // The spec, and by it the address, is that of a run without this probe: it gets a directory of its own.
    let out = Some("runs/copying-small-own-probe".into());
    let options = Options { out, threads: 1, resume: true, force: false, keep: Keep::All, arithmetic: None };
    let report = train_and_draw_run(spec, &build, &options, &mut MemoryRecorder::default())?;

    let run = StoredRun::open(report.run_dir.root())?;
    println!("step {}", columns.join(" "));
    for row in run.rows.iter().step_by(10) {
        // A column that nobody knows is an error, not a row of zeros.
        let values = columns.iter().map(|name| row.named(name)).collect::<Result<Vec<f64>, _>>()?;
        let text: Vec<String> = values.iter().map(|value| format!("{value:.3}")).collect();
        println!("{} {}", row.step, text.join(" "));
    }
    for metric in &run.own_metrics {
        println!("{}: {} ({})", metric.name, metric.words, metric.unit.words());
    }
    println!("{}", run.run_dir.figures().join("learning-curve.svg").display());
    Ok(())
}

//! Trains a network on the task of this crate, and says what it has learned: `cargo run --release -p own-task [SEED]`.

use own_task::{SIGNED_MATCH, build, spec};
use precipice::measure::accuracy::argmax;
use precipice::measure::{Column, metric};
use precipice::record::MemoryRecorder;
use precipice::task::Set;
use precipice::workers::Sequential;
use precipice_lab::input::spec_file::Changes;
use precipice_lab::runs::{Keep, Options, StoredRun, verify_run};
use precipice_lab::whole_run::train_and_draw_run;

fn main() -> anyhow::Result<()> {
    let seed = std::env::args().nth(1).map(|seed| seed.parse()).transpose()?;
    let spec = spec(&Changes { seed, ..Changes::default() })?;
    let options = Options { out: None, threads: 1, resume: true, force: false, keep: Keep::All, arithmetic: None };
    let report = train_and_draw_run(spec, &build, &options, &mut MemoryRecorder::default())?;
    report.warnings.iter().for_each(|warning| eprintln!("{warning}"));

    let run = StoredRun::open(report.run_dir.root())?;
    println!("   step  accuracy  on copies  signed match");
    for row in run.rows.iter().step_by(10) {
        let (accuracy, copies) = (row.get(&metric::ACCURACY.main()), row.get(&metric::ACCURACY.on("copy_")));
        println!("{:7}  {accuracy:8.3}  {copies:9.3}  {:12.3}", row.step, row.get(&SIGNED_MATCH.main()));
    }
    let facts = run.spec.facts();
    for predictor in &facts.predictors {
        let reached = run.rows[0].get(&Column::of_predictor(&facts, Set::MAIN, predictor));
        println!("{} is right in {:.0} % of the sequences", predictor.words, 100.0 * reached);
    }
    if let Some(jump) = report.manifest.transition.and_then(|transition| transition.t50) {
        println!("jump at step {jump:.0} ({:.1} s)", report.manifest.seconds);
    }
    let network = run.run_at(report.manifest.steps, &build)?;
    let batch = network.trainer().task().batch(Set::MAIN, 0, 1);
    let logits = network.trainer().answers(&batch, &Sequential);
    let said = argmax((0..).zip(logits));
    println!(
        "labels of a context: {:?}; asked for {}, the network says {said:?}",
        batch.labels_of(0),
        batch.answers[0]
    );

    let again = verify_run(&run.run_dir, &build, 1, &mut MemoryRecorder::default())?;
    println!("run again: {}", again.difference.map_or("the same bits".to_owned(), |what| format!("{what} differs")));
    println!("{}", run.run_dir.figures().join("learning-curve.svg").display());
    Ok(())
}

//! Drives `copying-small` to its jump, as it is and with twice the learning rate from the plateau on:
//! `cargo run --release -p own-loop`.

use own_loop::{Seen, drive_to_jump};
use precipice::measure::metric;
use precipice_lab::input::spec_file::{self, Changes};

fn main() -> anyhow::Result<()> {
    let spec = spec_file::load("copying-small", &Changes::default())?;
    let rate = spec.train.optimizer.learning_rate();
    for changed in [None, Some(2.0 * rate)] {
        let Seen { run, plateau, ended } = drive_to_jump(&spec, changed)?;
        println!("learning rate {rate}{}", changed.map_or(String::new(), |new| format!(", {new} from the plateau on")));
        println!("   step   loss  accuracy");
        for row in run.rows().iter().step_by(10) {
            let (loss, accuracy) = (row.get(&metric::LOSS.main()), row.get(&metric::ACCURACY.main()));
            println!("{:7}  {loss:5.3}  {accuracy:8.3}", row.step);
        }
        match (plateau, ended) {
            (Some(plateau), None) => println!("plateau reached at step {plateau}, jump seen at step {}", run.step()),
            (_, ended) => println!("no jump by step {}: {ended:?}", run.step()),
        }
        println!("parameters {}\n", &run.state().params.digest()[..16]);
    }
    Ok(())
}

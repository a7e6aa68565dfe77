//! `precipice sweep unpack`: directories of runs that were packed.

use precipice_lab::sweep;

use crate::args::UnpackArgs;
use crate::numbers::commas;
use crate::output::{run_named, say, say_json};
use crate::{Ending, interrupt};

pub fn unpack(args: &UnpackArgs) -> anyhow::Result<Ending> {
    let folder = run_named(&args.folder)?;
    interrupt::listen();
    let unpacked = sweep::unpack(&folder, &args.runs, &interrupt::requested)?;
    if args.said.json {
        say_json(&unpacked)?;
    } else {
        let count = |n: usize| commas(n as u64);
        say(&format!(
            "{} runs have directories again, {} had them; {} packs are gone",
            count(unpacked.n_unpacked),
            count(unpacked.n_before),
            count(unpacked.files.len())
        ))?;
        unpacked.damaged.iter().try_for_each(|problem| say(&format!("not unpacked: {problem}")))?;
    }
    Ok(match (unpacked.was_stopped, unpacked.damaged.is_empty()) {
        (true, _) => Ending::Stopped,
        (false, false) => Ending::Failed,
        (false, true) => Ending::Done,
    })
}

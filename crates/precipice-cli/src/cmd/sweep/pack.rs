//! `precipice sweep pack`: many finished runs in a few files.

use precipice_lab::sweep;

use crate::args::PackArgs;
use crate::numbers::commas;
use crate::output::{run_named, say, say_json};
use crate::{Ending, interrupt};

pub fn pack(args: &PackArgs) -> anyhow::Result<Ending> {
    let folder = run_named(&args.folder)?;
    interrupt::listen();
    let packed = sweep::pack(&folder, &interrupt::requested)?;
    if args.said.json {
        say_json(&packed)?;
    } else {
        let count = |n: usize| commas(n as u64);
        say(&format!(
            "{} runs packed into {} files, {} packed before, {} not ended; {} MB were {} MB",
            count(packed.n_packed),
            count(packed.files.len()),
            count(packed.n_before),
            count(packed.n_not_ended),
            commas(packed.bytes / 1_000_000),
            commas(packed.bytes_before / 1_000_000)
        ))?;
    }
    if !args.said.json {
        packed.changed.iter().try_for_each(|run| say(&format!("{run}: changed since it was packed; both stay")))?;
        packed.damaged.iter().try_for_each(|problem| say(&format!("not packed: {problem}")))?;
    }
    Ok(match (packed.was_stopped, packed.damaged.is_empty()) {
        (true, _) => Ending::Stopped,
        (false, false) => Ending::Failed,
        (false, true) => Ending::Done,
    })
}

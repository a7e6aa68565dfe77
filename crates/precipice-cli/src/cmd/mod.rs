//! One file a subcommand.

pub mod at;
pub mod bench;
pub mod branch;
pub mod certify;
pub mod diff;
pub mod export;
pub mod figure;
pub mod page;
pub mod probe;
pub mod reproduce;
pub mod run;
pub mod runs;
pub mod shell;
pub mod specs;
pub mod sweep;
pub mod theory;
pub mod verify;
pub mod watch;

use crate::Ending;
use crate::output::say;

/// No arguments.
pub fn welcome() -> anyhow::Result<Ending> {
    say("\
precipice: a laboratory for the abrupt emergence of in-context learning.
Small attention networks sit on a plateau, then jump; here you make the jump,
look inside, and check the claims.

  precipice run                       train the default network (about 10 s)
  precipice run copying-small         the same in a second or two
  precipice reproduce essay-2 --fast  check a claim of the literature

`precipice specs` lists the built-in experiments, `precipice reproduce --list`
the claims and how long each takes, `precipice --help` all commands.")?;
    Ok(Ending::Done)
}

//! `precipice sweep --script` and `--submit`: the same sweep by many workers of a cluster.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;
use precipice_lab::sweep::{self, Job, JobRequest, SweepStatus, System};

use super::said::Sweep;
use crate::args::ClusterArgs;
use crate::numbers::commas;
use crate::output::{note, say};
use crate::progress::live::{Live, Mode, View};
use crate::screen::Size;
use crate::{Ending, interrupt};

/// Workers of a job where nobody says how many.
const TASKS: u32 = 4;
/// Time of each.
const TIME: &str = "01:00:00";

/// Prints a job or hands it over, if that was asked for.
pub fn submit(
    args: &ClusterArgs,
    workers: Option<u16>,
    sweep: &Sweep<'_>,
    jobs: &[Job],
) -> anyhow::Result<Option<Ending>> {
    let Some(system) = args.script.or(args.submit) else {
        if args.tasks.is_some() || args.time.is_some() || !args.pass_through.is_empty() {
            bail!("--tasks, --time and what stands after `--` are for a job: add --script or --submit");
        }
        return Ok(None);
    };
    if system == System::HyperQueue && args.time.is_some() {
        bail!(
            "--time is Slurm's: a task of HyperQueue that runs out of time fails, and one without limit moves on when its worker ends"
        );
    }
    let cpus = workers.map_or(1, usize::from);
    let here = std::env::current_dir()?;
    let folder = std::path::absolute(sweep.folder)?;
    let [in_folder, from] = [&folder, &here].map(|path| path.display().to_string());
    if let Some(text) = args.pass_through.iter().chain([&in_folder, &from]).find(|text| text.contains(char::is_control))
    {
        bail!("{text:?}: no script of a job can hold a line break or another control character");
    }
    let request = JobRequest {
        name: format!("sweep-{}", sweep.name),
        tasks: args.tasks.unwrap_or(TASKS),
        cpus,
        time: args.time.clone().unwrap_or_else(|| TIME.to_owned()),
        here: from,
        folder: in_folder,
        command: command(&folder, cpus)?,
        pass_through: args.pass_through.clone(),
    };
    if args.script.is_some() {
        say(&system.script(&request))?;
        return Ok(Some(Ending::Done));
    }
    // A folder that cannot be the sweep's is told here, not in the logs of a cluster.
    sweep::enter(sweep.folder, jobs)?;
    let job = system.submit(&request, sweep.folder)?;
    note(&format!("job {job} of {} workers; Ctrl-C leaves it alone", request.tasks));
    follow(system, &job, sweep, jobs).map(Some)
}

/// What was typed, without what makes a job of it.
fn command(folder: &Path, workers: usize) -> anyhow::Result<Vec<String>> {
    let mut words = vec![std::env::current_exe()?.display().to_string()];
    let mut typed = std::env::args().skip(1);
    while let Some(word) = typed.next() {
        match word.split('=').next().unwrap_or_default() {
            "--" => break,
            "--script" | "--submit" | "--tasks" | "--time" | "--workers" | "--out" => {
                if !word.contains('=') {
                    typed.next();
                }
            }
            "--json" | "--quiet" | "-q" => {}
            _ => words.push(word),
        }
    }
    words.extend(["--out".to_owned(), folder.display().to_string()]);
    words.extend(["--workers".to_owned(), workers.to_string(), "--quiet".to_owned()]);
    Ok(words)
}

/// Time between two looks at a folder, and between two questions to the system.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Shows how far the folder is until all has ended, the job is gone, or the person leaves.
fn follow(system: System, job: &str, sweep: &Sweep<'_>, jobs: &[Job]) -> anyhow::Result<Ending> {
    interrupt::listen();
    let live = Live::new(Following(SweepStatus::of(sweep.folder)?), Mode::of(sweep.is_json));
    let (mut is_gone, mut asked) = (false, Instant::now());
    let ended = loop {
        let clock = Instant::now();
        let status = SweepStatus::of(sweep.folder)?;
        let is_whole = status.n_ended == status.n_runs;
        // Looking at very many runs takes a while, and is done less often.
        let pause = LOOK_EVERY.max(5 * clock.elapsed());
        live.view().0 = status;
        if is_whole || is_gone {
            break is_whole;
        }
        let clock = Instant::now();
        while clock.elapsed() < pause {
            if interrupt::requested() {
                drop(live);
                let folder = sweep.folder.display();
                note(&format!("job {job} goes on; `precipice sweep status {folder}` tells how far it is"));
                return Ok(Ending::Done);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if asked.elapsed() >= ASK_EVERY {
            // What ended between the look and the question is seen by one more look.
            (is_gone, asked) = (!system.has(job), Instant::now());
        }
    };
    drop(live);
    let look = sweep::look(jobs, sweep.folder)?;
    if !ended {
        let folder = sweep.folder.display();
        note(&format!(
            "{} has no worker of job {job} left, and runs are missing; its logs are in {folder}",
            system.name()
        ));
    }
    sweep.collected(look)
}

/// How far the folder is.
struct Following(SweepStatus);

impl Following {
    fn text(&self) -> String {
        let SweepStatus { n_ended, n_runs, n_running, n_damaged, seconds_left, .. } = &self.0;
        let count = |n: usize| commas(n as u64);
        let left = seconds_left.map_or_else(|| "waiting for workers".to_owned(), |left| crate::lines::left(Some(left)));
        let damaged = if *n_damaged > 0 { format!(" · {} damaged", count(*n_damaged)) } else { String::new() };
        format!("{}/{} runs · {} running{damaged} · {left}", count(*n_ended), count(*n_runs), count(*n_running))
    }
}

impl View for Following {
    fn lines(&self, size: Size) -> Vec<String> {
        vec![crate::lines::fit(&[self.text()], size.width)]
    }

    fn line(&self) -> String {
        self.text()
    }
}

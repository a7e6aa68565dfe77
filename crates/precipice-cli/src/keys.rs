//! Keys that are pressed while something is shown.

use std::time::Duration;

#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(unix)]
use rustix::stdio::stdin;
#[cfg(unix)]
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Standard input whose keys come as they are pressed; Ctrl-C stays what it is.
pub struct Keys {
    #[cfg(unix)]
    before: Option<Termios>,
}

#[cfg(unix)]
impl Keys {
    /// From now on, where standard input is a terminal.
    pub fn listen() -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }
        Self { before }
    }

    /// Waits so long, or until a key is pressed. Whether it was q.
    pub fn wait_for_q(&self, time: Duration) -> bool {
        let wait = || std::thread::sleep(time);
        if self.before.is_none() {
            wait();
            return false;
        }
        let timeout = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
        let stdin = stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if !poll(&mut fds, Some(&timeout)).is_ok_and(|n| n > 0) {
            return false;
        }
        let mut key = [0];
        match rustix::io::read(stdin, &mut key) {
            Ok(1) => key[0].eq_ignore_ascii_case(&b'q'),
            // Nobody types any more.
            _ => {
                wait();
                false
            }
        }
    }
}

#[cfg(unix)]
impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(not(unix))]
impl Keys {
    /// Keys are not looked for here.
    pub fn listen() -> Self {
        Self {}
    }

    /// Waits so long.
    pub fn wait_for_q(&self, time: Duration) -> bool {
        std::thread::sleep(time);
        false
    }
}

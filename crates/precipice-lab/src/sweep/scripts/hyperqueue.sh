#!/bin/bash
#HQ --name={name}
#HQ --array=1-{tasks}
#HQ --cpus={cpus}
#HQ --crash-limit=1000
{pass_through}
# Equal workers on one folder: each takes runs that nobody has, and goes on with
# those whose worker died. How far it is: precipice sweep status {folder}

# What ran where a HyperQueue worker was lost begins again on another one, as
# often as it takes: hence the crash limit. HyperQueue ends the processes that
# it started, not their children: hence `exec`.
cd {here} || exit
exec {command}

# SPDX-License-Identifier: MIT
# tools/gdb/tendril-run.gdb - gdb on a program under `tendril run`.
#
#   gdb -x tools/gdb/tendril-run.gdb -p PID
#   gdb -x tools/gdb/tendril-run.gdb --args build/tendril run PROGRAM ARGS
#
# Each system call that traps is a SIGSYS: it must reach the engine unseen.
# gdb knows one thread; `tendril-threads` lists the green ones, and
# `tendril-bt TID` shows where one of them waits.

handle SIGSYS nostop noprint pass
set breakpoint pending on

define tendril-threads
  set $tn_at = tn__run.greens.next
  while $tn_at != &tn__run.greens
    set $tn_g = (struct tn__run_green *) \
      ((char *) $tn_at - (long) &((struct tn__run_green *) 0)->all)
    printf "%d  state %d  %s", $tn_g->tid, $tn_g->g.state, $tn_g->name
    if $tn_g->g.state == 3 && $tn_g->g.wait_what
      printf "  in %s", $tn_g->g.wait_what
      if $tn_g->g.wait_fd >= 0
        printf " on descriptor %d", $tn_g->g.wait_fd
      end
    end
    printf "\n"
    set $tn_at = $tn_at->next
  end
end
document tendril-threads
List the green threads: number, state (1 ready, 2 running, 3 waiting), name.
end

define tendril-bt
  set $tn_at = tn__run.greens.next
  while $tn_at != &tn__run.greens
    set $tn_g = (struct tn__run_green *) \
      ((char *) $tn_at - (long) &((struct tn__run_green *) 0)->all)
    if $tn_g->tid == $arg0
      tendril-bt-of $tn_g
    end
    set $tn_at = $tn_at->next
  end
end
document tendril-bt
Show the stack of the green thread with this number, if it does not run.
end

# The frame that src/arch/x86_64/switch.S has left at the saved stack pointer.
define tendril-bt-of
  set $tn_sp = (long *) $arg0->g.sp
  set $tn_old_sp = $sp
  set $tn_old_bp = $rbp
  set $tn_old_bx = $rbx
  set $tn_old_pc = $pc
  set $sp = (long) ($tn_sp + 8)
  set $rbp = $tn_sp[6]
  set $rbx = $tn_sp[5]
  set $pc = $tn_sp[7]
  backtrace
  set $sp = $tn_old_sp
  set $rbp = $tn_old_bp
  set $rbx = $tn_old_bx
  set $pc = $tn_old_pc
end

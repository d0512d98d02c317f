"""The driver's decisions, free of Ray: what runs next, who goes on, when the session is over.

Ray calls in through the adapters of `sweep_platform.execution.ray_tune`. Here reports become
records: nobody else writes to a trial's folder.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hrm.progress import Measurement, Progress
from puzzle_datasets.common.errors import UserError
from puzzle_datasets.common.text import counted
from sweep_platform.plan.budget import Budget, Limit
from sweep_platform.search.losses import WORKER_RETRIES, Losses
from sweep_platform.search.search import Search
from sweep_platform.search.stages.agenda import Agenda
from sweep_platform.search.stages.halt import Halt
from sweep_platform.search.stages.live import Display, Job, Live, Place
from sweep_platform.search.stages.resting import Resting
from sweep_platform.search.stages.settling import Settling
from sweep_platform.search.stages.silence import Silence
from sweep_platform.search.steering.interventions import Interventions
from sweep_platform.search.studies.patience import StudyLostError
from sweep_platform.store.messages import Decision, Failure, Fault, TrialReport
from sweep_platform.store.replicate import Purpose
from sweep_platform.store.trial import ReplicateFolder, TrialState

GRACE_SECONDS = 60.0
"""Time that replicates which are to end have for saving a checkpoint."""

_EARLY = Failure(reason="its worker ended early", fault=Fault.WORKER)

WAITING_SECONDS = 30.0
"""Time without a running job after which it is said what is waited for."""


class TrialScheduler:
    """Runs one session of a sweep. All calls come from the driver's one thread, but `interrupt`.

    `capacity` says how many jobs may run at the same time, which may change; `send` lets the
    worker of a job, by its key, know of a decision; `losses` keeps account of work that broke off,
    and `silence` finds jobs that show no sign of life; `needs` are a job's resources in words,
    where `stores` is true, the last checkpoint of a worker that broke off may be missing, though
    its last report is there; `look` is called ever so often, between two records, and what it
    returns is why the session has to end. By its `interventions` a person steers it.
    """

    def __init__(
        self,
        search: Search,
        budget: Budget,
        display: Display,
        capacity: Callable[[], int],
        send: Callable[[str, Decision], None] = lambda job, decision: None,
        *,
        losses: Losses | None = None,
        silence: Silence | None = None,
        needs: str = "its resources",
        stores: bool = False,
        look: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._losses = losses or Losses(say=display.note)
        self._silence = silence or Silence()
        self._needs, self._look = needs, look
        self._clock = self._losses.clock
        self._stirred = self._clock()
        self._search, self._budget, self._display = search, budget, display
        self._jobs = search.jobs
        self._capacity, self._send = capacity, send
        self._live: dict[str, Live] = {}
        self._resting = Resting(self._clock)
        self._all_losses = 0
        self._noted: set[str] = set()
        self._halt = Halt(budget, display.note)
        self._agenda = Agenda(search, budget, display, capacity, self._say_once)
        self._settling = Settling(
            search,
            budget,
            display,
            self._agenda,
            self._losses,
            self._resting,
            self._halt,
            self._decide,
            stores=stores,
        )
        self.interventions = Interventions(
            search,
            budget,
            self._live,
            self._agenda,
            self._settling,
            self._resting,
            self._overrule,
        )
        self._grace_ends: float | None = None
        with self._withstanding():  # trials may stand otherwise since they were told of last
            search.tell()

    @property
    def interrupted(self) -> bool:
        """Whether a person or the system wants the session to end."""
        return self._halt.interrupted

    @property
    def cut_short(self) -> bool:
        """Whether trials ended for want of time."""
        return self._settling.cut_short or self._agenda.cut_short

    @property
    def short_of(self) -> Limit | None:
        """The limit for which a job did not start, or ended; None if there was none."""
        return self._agenda.why if self.cut_short else self._agenda.short_of

    @property
    def ending(self) -> bool:
        """Whether the session is to end before its work is done."""
        return self._halt.ending

    @property
    def exhausted(self) -> bool:
        """Whether no job is left to start; one that runs may be lost and wait to go on."""
        return self.ending or (self._agenda.exhausted and not self._live and not self._resting)

    def wanted(self, points: int) -> int:
        """The number of jobs that could run now if all had a place, in a sweep of so many points.

        They are those that run, rest and wait, and the first of points that are yet to be begun.
        """
        if self.ending or self.interventions.paused:
            return len(self._live)
        new = 0 if self._agenda.exhausted else max(0, points - self._budget.trials)
        begun = len(self._live) + len(self._resting) + self._jobs.waiting
        return begun + new * self._search.spec.first_replicates

    def start(self, key: str) -> Job | None:
        """The next job to run under Ray's name `key`, None if none can start now.

        None with `exhausted` means that none ever will.
        """
        with self._withstanding():
            return self._start(key)
        return None

    def _start(self, key: str) -> Job | None:
        self._agenda.put_back(*self._resting.woken())
        if self.interventions.paused and not self.ending:
            return None
        if self.exhausted or self._agenda.exhausted or len(self._live) >= self._capacity():
            return None
        job = self._agenda.next((*(live.job for live in self._live.values()), *self._resting))
        if job is None:
            return None
        folder = job.folder
        if not folder.exists():
            self._create(job)
        folder.resume()
        self._live[key] = Live(job, folder, self._losses.shunned(job.key))
        self._count(job, folder)
        self._send(job.key, Decision.CONTINUE)
        self._display.job_started(job, resumed=folder.last_step > 0)
        return job

    def _count(self, job: Job, folder: ReplicateFolder) -> None:
        """Count a job as under way; what one spent that goes on after its end is paid for."""
        spending, flops = self._budget.spending, float(job.record.training_flops)
        if folder.last_step and not spending.is_open(job.key):
            last = folder.last_measurement()
            spending.goes_on(job.key, flops, last.progress if last else None, folder.reused())
        else:
            spending.began(job.key, flops, folder.reused())

    def _create(self, job: Job) -> None:
        """Write a job's record; an equal training of an earlier sweep is taken over, if any."""
        reused = self._search.reuse.take(job)
        job.folder.create(job.record, job.replicate, reused)
        if reused is not None:
            self._display.note(f"{job.words} is trial {reused.trial} of {reused.sweep}")

    def shunned(self, key: str) -> frozenset[str]:
        """Nodes that a job was started not to be placed on."""
        return self._live[key].shunned

    def placed(self, key: str, place: Place | None) -> None:
        """Take note of where a job runs."""
        if live := self._live.get(key):
            live.place = place
            self._silence.heard(live)

    def silent(self) -> list[str]:
        """Jobs whose workers are to be ended by force, for they are silent; each once."""
        return self._silence.found(self._live)

    def place(self, key: str) -> Place | None:
        """Where a job runs, as far as that is known."""
        live = self._live.get(key)
        return live.place if live else None

    def running(self) -> Counter[str]:
        """The number of jobs on each node, by its id. May be called from any thread."""
        places = [live.place for live in list(self._live.values())]
        return Counter(place.node for place in places if place is not None)

    def misplaced(self, key: str) -> bool:
        """Whether a job that waits for a place is to have another; it is queued anew then."""
        live = self._live.get(key)
        if live is None or live.place or live.shunned == self._losses.shunned(live.job.key):
            return False
        self._agenda.put_back(self._live.pop(key).job)
        return True

    def report(self, key: str, report: TrialReport) -> None:
        """Record what a worker reported, and decide on its trial."""
        with self._withstanding():
            self._take(self._live[key], report)

    def _take(self, live: Live, report: TrialReport) -> None:
        live.began = True
        self._silence.heard(live)
        for warning in report.warnings:
            self._say_once(warning.text, warning.matter)
        if report.failure is not None:
            self._settling.fail(live, report.failure)
        if report.session is not None:
            live.folder.begin_session(report.session)
        if report.answers:
            replicate, file = live.job.replicate, self._search.answers(live.job.trial)
            owner = replicate.purpose.value, replicate.number
            file.add((*owner, answers) for answers in report.answers)
        for measurement in live.folder.append(report.measurements):
            self._losses.progressed(live.job.key, live.place)
            self._budget.spending.measured(live.job.key, measurement.progress)
            self._display.job_measured(live.job, measurement.progress)
            self._note_memory(live, measurement.progress)
        for measurement in report.measurements:
            self._judge(live, measurement)

    def _note_memory(self, live: Live, progress: Progress) -> None:
        """Remember that fewer puzzles pass through a model at a time than were to, and say so."""
        if self._search.micro_batches.measured(live.job.record, progress):
            self._display.note(
                f"{live.job.words}: the memory of its device did not suffice; "
                f"{counted(progress.micro_batch or 0, 'puzzle')} at a time pass through this "
                "width from now on, and the batch stays as large"
            )

    def ended(self, key: str, lost: Failure | None = None) -> None:
        """Settle a job that Ray is done with; `lost` says why, if its worker is gone.

        A job that was settled before stays so: Ray tells of a lost one twice.
        """
        if (live := self._live.pop(key, None)) is None:
            return
        self._agenda.exhausted = False
        self._send(live.job.key, Decision.CONTINUE)
        with self._withstanding():
            if self._settling.as_reported(live, whole=not (lost or live.loss)):
                return
            if live.decision is Decision.LEAVE:
                self._settling.requeue(live, live.reason)
            elif live.decision is Decision.PAUSE and (live.loss or not lost):
                self._settling.settle(live, TrialState.PAUSED, live.reason)
            else:
                self._settling.lose(live, lost or _EARLY)

    def all_lost(self, loss: Failure) -> None:
        """Take note that every worker is gone; it counts once, against the machine if at all."""
        self._all_losses += loss.fault is not Fault.NODE
        if self._all_losses > WORKER_RETRIES:
            self.halt(f"{loss.reason}, {self._all_losses} times over")
        self._agenda.exhausted = False
        for key in list(self._live):
            live = self._live.pop(key)
            with self._withstanding():
                if not self._settling.as_reported(live, whole=False):
                    self._settling.requeue(live, loss.reason, self._losses.rest(live.job.key))

    def interrupt(self) -> None:
        """End the session soon; what runs goes on at resume. Safe in a signal handler."""
        self._halt.interrupted = True
        self._search.study.hurry()

    def halt(self, reason: str) -> None:
        """End the session as an interruption would: the machine failed, not the trials."""
        self._halt(reason)

    @contextmanager
    def _withstanding(self) -> Iterator[None]:
        """Halt where no record can be written; what is missing is made up for at resume."""
        try:
            yield
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            self.halt(f"{place}{error.strerror or error}")
        except (StudyLostError, UserError) as error:  # also records that were damaged meanwhile
            self.halt(str(error))

    def should_end(self) -> bool:
        """Whether Ray is to end everything now.

        When the session has to end, running jobs hear of it, and get some time to save.
        """
        with self._withstanding():
            if (reason := self._look()) is not None:
                self.halt(reason)
        if not self.ending:
            self._grace_ends = None  # the time may have been up, and was extended
            self._clear_leaving()
            self._note_waiting()
            return False
        if self._grace_ends is None:
            self._grace_ends = time.monotonic() + GRACE_SECONDS
            decision = (Decision.STOP, self._agenda.why.words)
            if self.interrupted:
                decision = (Decision.PAUSE, "the session was interrupted")
            for live in self._live.values():
                live.late = not self.interrupted and live.decision is Decision.CONTINUE
                self._decide(live, *decision)
        saving = any(live.began for live in self._live.values())
        return not saving or time.monotonic() >= self._grace_ends

    def _clear_leaving(self) -> None:
        """Let jobs save and go elsewhere whose node is about to leave the cluster."""
        leaving = self._losses.hosts().leaving
        for live in self._live.values():
            if live.place is not None and live.place.node in leaving:
                self._decide(live, Decision.LEAVE, f"host {live.place.host} is about to leave")

    def _note_waiting(self) -> None:
        """Say what is waited for when nothing has run for a while, and again ever so often."""
        if self.interventions.paused or any(live.began for live in self._live.values()):
            self._stirred = self._clock()
        elif self._clock() - self._stirred > WAITING_SECONDS:
            self._stirred = self._clock()
            self._display.note(
                f"nothing runs: Ray has no place yet for a trial's {self._needs}, "
                "or is still starting its worker"
            )

    def close(self) -> None:
        """Settle what Ray left behind: trials cut by the clock end, interrupted ones do not."""
        self._agenda.put_back(*self._resting.woken(everything=True))
        with self._withstanding():
            for live in self._live.values():
                if not self._settling.as_reported(live, whole=False) and not self.interrupted:
                    self._settling.cut(live)
            for opened in () if self.interrupted else self._jobs:
                self._settling.cut_waiting(opened)
            self._search.tell()  # who was audited may have come to stand otherwise
        self._live.clear()

    def _say_once(self, text: str, matter: str = "") -> None:
        if (matter := matter or text) not in self._noted:
            self._noted.add(matter)
            self._display.note(text)

    def _judge(self, live: Live, measurement: Measurement) -> None:
        live.last = measurement.progress
        self._jobs.measured(live.job, live.last)
        record, label = live.job.record, live.job.replicate.label
        if live.job.replicate.purpose is not Purpose.MEASURE:
            return
        if live.job.replicate.number >= self._search.spec.first_replicates:
            return  # its trial was let on at the end of its first replicates
        rungs = self._search.rungs
        before = rungs.audits(record)
        decision = rungs.decide(record, label, live.last)
        share = f"{live.last.step / live.last.total_steps:.0%}"
        reason = f"at the rung at {share} of the training budget{rungs.by(record)}"
        audited = rungs.audits(record) - before
        if audited:
            weak = "beaten" if self._search.spec.rungs.rule == "stopping" else "to pause"
            self._display.note(
                f"trial {record.number} goes on to be audited, though it was {weak} {reason}"
            )
        if audited or decision is not Decision.CONTINUE:
            self._search.tell()
        if decision is Decision.STOP:
            reason = f"beaten {reason}"
            self._agenda.put_back(*self._resting.woken(live.job.trial))
            self._agenda.end_waiting(self._jobs.drop_waiting(live.job), reason)
        elif rungs.is_paused(record):
            reason = f"it waits to be among the best {reason}"
            self._agenda.put_back(*self._resting.woken(live.job.trial))
            self._agenda.promotion.hold(record)
        elif self._jobs.is_held(record):  # another replicate raised the trial's mean
            self._agenda.promotion.let_go(record)
        if self._jobs.holds_back and self._agenda.promotion.due:
            self._agenda.exhausted = False
        if decision is not Decision.CONTINUE:
            for other in self._live.values():
                if other.job.trial is live.job.trial:
                    self._decide(other, decision, reason)

    def _decide(self, live: Live, decision: Decision, reason: str) -> None:
        """Let a job end, unless that was decided before."""
        if live.decision is Decision.CONTINUE:
            self._overrule(live, decision, reason)

    def _overrule(self, live: Live, decision: Decision, reason: str) -> None:
        live.decision, live.reason = decision, reason
        self._send(live.job.key, decision)

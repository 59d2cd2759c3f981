//! Many short chunks of selections, and which of them count.
//!
//! A worker runs a contestant in chunks of about a tenth of a millisecond, and notes of each when it
//! began and ended, and for how long meanwhile it was ready to run and did not, by the account that
//! Linux keeps (`/proc/thread-self/schedstat`). A chunk in which it waited for a processor says
//! something about the machine and nothing about the contestant, and does not count.
//!
//! With two workers, each on a processor of its own, a chunk of one counts if the other too ran
//! throughout: if it lies between the beginning and the end of chunks of the other that follow each
//! other and of which none had to wait. The cost of a selection is then the length of the chunk over
//! all selections in it: the worker's own, and of the other's chunks the parts that overlap with it.
//! Waiting for a lock that the other holds is no waiting for a processor, and counts.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{Arc, Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::contestants::Contestant;

/// What one worker did in one go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// In nanoseconds since the workers were started.
    begun: u64,
    ended: u64,
    selections: u64,
    /// Whether the worker had to wait for a processor.
    waited: bool,
}

/// Threads that wait for something to measure.
pub(crate) struct Workers {
    jobs: Vec<mpsc::Sender<Job>>,
    chunks: mpsc::Receiver<(usize, Vec<Chunk>)>,
}

/// The costs of selections that were measured, and how many chunks there were to begin with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Nanoseconds for each selection of all threads together, a number for each chunk that counts.
    pub(crate) nanos: Vec<f64>,
    pub(crate) chunks: usize,
}

#[derive(Clone)]
struct Job {
    contestant: Arc<dyn Contestant>,
    together: Arc<Barrier>,
    is_shared: bool,
}

/// How long a contestant runs before anything counts: the others have had the caches.
const WARM_UP: Duration = Duration::from_millis(5);

/// How long it runs then.
const MEASURED: Duration = Duration::from_millis(4);

/// About how long a chunk is. Much shorter than the time for which a thread gets a processor, so that
/// most chunks are whole; and much longer than looking at the clock takes.
const CHUNK: Duration = Duration::from_micros(100);

/// Selections between two looks at the clock while warming up.
const STEP: u32 = 64;

impl Workers {
    /// One worker on each of the processors.
    pub(crate) fn on(processors: &[usize]) -> Self {
        let epoch = Instant::now();
        let (done, chunks) = mpsc::channel();
        let jobs = processors.iter().enumerate().map(|(worker, &processor)| {
            let (jobs, queue) = mpsc::channel::<Job>();
            let done = done.clone();
            thread::spawn(move || {
                if let Err(error) = measurement::stay_on(processor) {
                    eprintln!("a thread cannot be kept on processor {processor}: {error}");
                }
                let account = Account::of_this_thread();
                for job in queue {
                    if done.send((worker, job.run(epoch, &account))).is_err() {
                        return;
                    }
                }
            });
            jobs
        });
        let jobs = jobs.collect();
        Self { jobs, chunks }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.jobs.len()
    }

    /// Lets the first so many workers run a contestant.
    pub(crate) fn measure(&self, threads: usize, contestant: &Arc<dyn Contestant>) -> Sample {
        let job = Job {
            contestant: Arc::clone(contestant),
            together: Arc::new(Barrier::new(threads)),
            is_shared: threads > 1,
        };
        let mut chunks = vec![Vec::new(); threads];
        for worker in &self.jobs[..threads] {
            worker.send(job.clone()).expect("workers never end");
        }
        for _ in 0..threads {
            let (worker, done) = self.chunks.recv().expect("workers never end");
            chunks[worker] = done;
        }
        Sample::of(&chunks)
    }
}

impl Job {
    fn run(&self, epoch: Instant, account: &Account) -> Vec<Chunk> {
        let select = |selections| match self.is_shared {
            true => self.contestant.shared(selections),
            false => self.contestant.alone(selections),
        };
        self.together.wait();
        let begun = Instant::now();
        let mut fastest = Duration::MAX;
        while begun.elapsed() < WARM_UP {
            let step = Instant::now();
            select(STEP);
            fastest = fastest.min(step.elapsed());
        }
        let steps = CHUNK.as_nanos() / fastest.as_nanos().max(1);
        let selections = STEP * u32::try_from(steps.clamp(1, 10_000)).expect("within bounds");

        let since = |moment: Instant| moment.duration_since(epoch).as_nanos() as u64;
        let mut chunks = Vec::new();
        let mut waited = account.waited();
        while begun.elapsed() < WARM_UP + MEASURED {
            let before = Instant::now();
            select(selections);
            let after = Instant::now();
            let waited_before = std::mem::replace(&mut waited, account.waited());
            let long = after.duration_since(before) / 10;
            chunks.push(Chunk {
                begun: since(before),
                ended: since(after),
                selections: selections.into(),
                // To be woken, when a lock is free, takes a moment as well.
                waited: waited - waited_before > long,
            });
        }
        chunks
    }
}

impl Sample {
    /// What the chunks of each worker say.
    fn of(workers: &[Vec<Chunk>]) -> Self {
        let mut sample = Self::default();
        for (at, own) in workers.iter().enumerate() {
            sample.chunks += own.len();
            for chunk in own.iter().filter(|chunk| !chunk.waited) {
                let others = workers.iter().enumerate().filter(|&(other, _)| other != at);
                let others = others.map(|(_, other)| chunk.selections_beside(other));
                if let Some(others) = others.sum::<Option<f64>>() {
                    let all = chunk.selections as f64 + others;
                    sample.nanos.push(chunk.length() / all);
                }
            }
        }
        sample
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
        self.chunks += other.chunks;
    }
}

impl Chunk {
    fn length(&self) -> f64 {
        (self.ended - self.begun) as f64
    }

    /// How many selections another worker made meanwhile; `None` unless it ran throughout.
    fn selections_beside(&self, other: &[Chunk]) -> Option<f64> {
        let (first, last) = (other.first()?, other.last()?);
        if first.begun > self.begun || last.ended < self.ended {
            return None;
        }
        let mut selections = 0.0;
        for chunk in other {
            let overlap = self.ended.min(chunk.ended) as f64 - self.begun.max(chunk.begun) as f64;
            if overlap > 0.0 {
                if chunk.waited {
                    return None;
                }
                selections += chunk.selections as f64 * overlap / chunk.length();
            }
        }
        Some(selections)
    }
}

/// The account that Linux keeps of a thread.
struct Account(File);

impl Account {
    fn of_this_thread() -> Self {
        let account = File::open("/proc/thread-self/schedstat");
        Self(account.expect("Linux keeps an account of each thread"))
    }

    /// For how long the thread was ready to run, and did not.
    fn waited(&self) -> Duration {
        let mut text = [0; 64];
        let length = self.0.read_at(&mut text, 0).expect("the account is read");
        let text = str::from_utf8(&text[..length]).expect("the account is text");
        let waited = text.split_whitespace().nth(1);
        let nanos = waited.and_then(|waited| waited.parse().ok());
        Duration::from_nanos(nanos.expect("the second number is the time of waiting"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(begun: u64, ended: u64, waited: bool) -> Chunk {
        Chunk {
            begun,
            ended,
            selections: 10,
            waited,
        }
    }

    #[test]
    fn a_worker_alone_is_measured_where_it_did_not_wait() {
        let sample = Sample::of(&[vec![chunk(0, 100, false), chunk(100, 900, true)]]);
        assert_eq!((sample.nanos, sample.chunks), (vec![10.0], 2));
    }

    #[test]
    fn selections_of_another_worker_count_as_far_as_they_overlap() {
        let other = [chunk(0, 100, false), chunk(100, 200, false)];
        assert_eq!(chunk(50, 150, false).selections_beside(&other), Some(10.0));
        assert_eq!(chunk(0, 200, false).selections_beside(&other), Some(20.0));
    }

    #[test]
    fn a_chunk_counts_only_where_both_ran_throughout() {
        let other = [
            chunk(0, 100, false),
            chunk(100, 500, true),
            chunk(500, 600, false),
        ];
        assert_eq!(chunk(10, 90, false).selections_beside(&other), Some(8.0));
        assert_eq!(chunk(50, 150, false).selections_beside(&other), None);
        assert_eq!(chunk(550, 650, false).selections_beside(&other), None);
        assert_eq!(chunk(510, 590, false).selections_beside(&[]), None);
        let sample = Sample::of(&[vec![chunk(150, 250, false)], other.to_vec()]);
        assert_eq!((sample.nanos.len(), sample.chunks), (0, 4));
    }
}

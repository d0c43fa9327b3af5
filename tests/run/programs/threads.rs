// SPDX-License-Identifier: MIT
// threads.rs - Rust's std threads: what they share, wait for and send. What is
// printed is the same in every run.
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::Duration;

struct Last(Arc<AtomicU64>);
impl Drop for Last {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
thread_local! {
    static LOCAL: RefCell<Option<Last>> = RefCell::new(None);
}

fn sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut all = vec![];
        for stream in listener.incoming().take(100) {
            let mut stream = stream.unwrap();
            all.push(thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let mut line = String::new();
                while lines.read_line(&mut line).unwrap() > 0 {
                    let n: u64 = line.trim().parse().unwrap();
                    writeln!(stream, "{}", n * 2).unwrap();
                    line.clear();
                }
            }));
        }
        all.into_iter().for_each(|t| t.join().unwrap());
    });
    let clients: Vec<_> = (0..100u64)
        .map(|n| {
            thread::spawn(move || {
                let mut s = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let mut lines = BufReader::new(s.try_clone().unwrap());
                let mut sum = 0;
                for i in 0..10 {
                    writeln!(s, "{}", n + i).unwrap();
                    let mut line = String::new();
                    lines.read_line(&mut line).unwrap();
                    sum += line.trim().parse::<u64>().unwrap();
                }
                sum
            })
        })
        .collect();
    let sum: u64 = clients.into_iter().map(|t| t.join().unwrap()).sum();
    server.join().unwrap();
    println!("sockets {}", sum);
}

fn channels() {
    let (tx, rx) = sync_channel(2);
    let (done, results) = channel();
    for n in 0..50u64 {
        let tx = tx.clone();
        thread::spawn(move || (0..20).for_each(|i| tx.send(n * i).unwrap()));
    }
    drop(tx);
    let rx = Arc::new(Mutex::new(rx));
    for _ in 0..4 {
        let (rx, done) = (rx.clone(), done.clone());
        thread::spawn(move || loop {
            let item = rx.lock().unwrap().recv();
            match item {
                Ok(n) => done.send(n).unwrap(),
                Err(_) => break,
            }
        });
    }
    drop(done);
    println!("channels {}", results.iter().sum::<u64>());
}

fn locks() {
    let state = Arc::new((Mutex::new(0), Condvar::new()));
    let shared = Arc::new(RwLock::new(0u64));
    let barrier = Arc::new(Barrier::new(40));
    let once = Arc::new(Once::new());
    let ones = Arc::new(AtomicU64::new(0));
    let all: Vec<_> = (0..40)
        .map(|n| {
            let (state, shared) = (state.clone(), shared.clone());
            let (barrier, once, ones) =
                (barrier.clone(), once.clone(), ones.clone());
            thread::spawn(move || {
                let first = barrier.wait().is_leader();
                once.call_once(|| {
                    thread::sleep(Duration::from_millis(5));
                    ones.fetch_add(1, Ordering::SeqCst);
                });
                for _ in 0..100 {
                    *shared.write().unwrap() += 1;
                }
                let (lock, cond) = &*state;
                let mut turn = lock.lock().unwrap();
                while *turn != n {
                    turn = cond.wait(turn).unwrap();
                }
                *turn += 1;
                cond.notify_all();
                first
            })
        })
        .collect();
    let leaders =
        all.into_iter().filter(|_| true).map(|t| t.join().unwrap() as u32);
    println!("leaders {}", leaders.sum::<u32>());
    println!("once {}", ones.load(Ordering::SeqCst));
    println!("shared {} turn {}", shared.read().unwrap(),
             state.0.lock().unwrap());
}

fn ends() {
    let dropped = Arc::new(AtomicU64::new(0));
    let all: Vec<_> = (0..30)
        .map(|_| {
            let dropped = dropped.clone();
            thread::spawn(move || {
                LOCAL.with(|l| *l.borrow_mut() = Some(Last(dropped)))
            })
        })
        .collect();
    all.into_iter().for_each(|t| t.join().unwrap());
    println!("thread-locals dropped {}", dropped.load(Ordering::SeqCst));
    std::panic::set_hook(Box::new(|_| {}));
    let r = thread::spawn(|| {
        if true {
            panic!("oh")
        }
    })
    .join();
    println!("panicked {}", r.is_err());
    let parked = thread::spawn(|| thread::park());
    thread::sleep(Duration::from_millis(2));
    parked.thread().unpark();
    println!("unparked {}", parked.join().is_ok());
    let mut numbers = [1, 2, 3, 4];
    thread::scope(|s| {
        for n in numbers.iter_mut() {
            s.spawn(move || *n *= 10);
        }
    });
    println!("scoped {:?}", numbers);
    let out = std::process::Command::new("echo").arg("child").output();
    print!("{}", String::from_utf8(out.unwrap().stdout).unwrap());
}

fn main() {
    sockets();
    channels();
    locks();
    ends();
}

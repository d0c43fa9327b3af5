/* SPDX-License-Identifier: MIT */
/* tests/run/programs/posix_cxx.cpp - what C++ builds on threads; and a library
 * with initial-exec TLS that is opened while threads run.
 *
 * usage: posix_cxx [LIBRARY] */
#include <dlfcn.h>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::atomic<int> n_destroyed;

struct Counted {
    int value = 5;
    ~Counted()
    {
        n_destroyed++;
    }
};

thread_local Counted counted;

void thread_locals()
{
    std::vector<std::thread> threads;
    std::atomic<int> sum{0};

    for (int i = 0; i < 20; i++)
        threads.emplace_back([&, i] {
            counted.value += i;
            std::this_thread::sleep_for(1ms);
            sum += counted.value;
        });
    for (auto &t : threads)
        t.join();
    std::printf("thread_local: sum %d destroyed %d\n", sum.load(),
                n_destroyed.load());
}

struct Guard {
    std::atomic<int> &n;
    ~Guard()
    {
        n++;
        std::this_thread::sleep_for(1ms);
    }
};

/* Thrown, and caught, with waits in between, in many threads. */
int deep(int n, std::atomic<int> &unwound)
{
    Guard guard{unwound};

    if (n == 0)
        throw std::runtime_error("at the bottom");
    std::this_thread::yield();
    return deep(n - 1, unwound) + 1;
}

void exceptions()
{
    std::vector<std::thread> threads;
    std::atomic<int> caught{0}, unwound{0};

    for (int i = 0; i < 10; i++)
        threads.emplace_back([&] {
            try {
                try {
                    deep(8, unwound);
                } catch (const std::exception &) {
                    std::this_thread::sleep_for(2ms);
                    throw;
                }
            } catch (const std::runtime_error &e) {
                caught += std::string(e.what()) == "at the bottom";
            }
        });
    for (auto &t : threads)
        t.join();
    std::printf("exceptions: caught %d unwound %d\n", caught.load(),
                unwound.load());
}

void futures()
{
    std::vector<std::future<int>> results;
    std::promise<int> promise;
    int sum = 0;

    for (int i = 0; i < 20; i++)
        results.push_back(std::async(std::launch::async, [i] {
            std::this_thread::sleep_for(1ms);
            if (i == 13)
                throw std::out_of_range("13");
            return i;
        }));
    for (auto &r : results)
        try {
            sum += r.get();
        } catch (const std::out_of_range &) {
            sum += 1000;
        }
    auto f = promise.get_future();
    auto status = f.wait_for(3ms);
    std::thread t([&] { promise.set_value(9); });
    std::printf("futures: %d timeout %d then %d\n", sum,
                status == std::future_status::timeout, f.get());
    t.join();
    std::packaged_task<int()> task([] { return 4; });
    auto later = task.get_future();
    std::thread(std::move(task)).join();
    std::printf("task: %d\n", later.get());
}

void locks()
{
    std::shared_mutex shared;
    std::shared_timed_mutex timed;
    std::recursive_timed_mutex recursive;
    std::vector<std::thread> threads;
    int value = 0, reads = 0;
    std::mutex m;

    for (int i = 0; i < 8; i++)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 50; k++) {
                if (i % 2) {
                    std::unique_lock lock(shared);
                    value++;
                } else {
                    std::shared_lock lock(shared);
                    std::lock_guard guard(m);
                    reads++;
                }
                std::this_thread::yield();
            }
        });
    for (auto &t : threads)
        t.join();
    std::unique_lock held(timed);
    std::lock_guard again(recursive);
    std::thread([&] {
        std::printf("timed: %d %d\n", timed.try_lock_for(3ms),
                    recursive.try_lock_until(
                        std::chrono::steady_clock::now() + 3ms));
    }).join();
    std::printf("shared_mutex: %d %d\n", value, reads);
}

void waiting()
{
    std::atomic<int> turn{0};
    std::counting_semaphore<8> semaphore{0};
    std::latch latch{4};
    int n_phases = 0;
    std::barrier barrier(3, [&]() noexcept { n_phases++; });
    std::vector<std::thread> threads;

    for (int i = 1; i <= 4; i++)
        threads.emplace_back([&, i] {
            for (int t = turn; t != i; t = turn)
                turn.wait(t);
            turn = i + 1;
            turn.notify_all();
            semaphore.release();
            latch.arrive_and_wait();
        });
    turn = 1;
    turn.notify_all();
    for (int i = 0; i < 4; i++)
        semaphore.acquire();
    for (auto &t : threads)
        t.join();
    threads.clear();
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            for (int k = 0; k < 10; k++)
                barrier.arrive_and_wait();
        });
    for (auto &t : threads)
        t.join();
    std::printf("atomic wait: %d, semaphore empty %d, phases %d\n",
                turn.load(), !semaphore.try_acquire_for(2ms), n_phases);
}

void stopping()
{
    std::condition_variable_any changed;
    std::mutex m;
    bool is_stopped = false;
    {
        std::jthread t([&](std::stop_token token) {
            std::unique_lock lock(m);
            changed.wait(lock, token, [] { return false; });
            is_stopped = token.stop_requested();
        });
        std::this_thread::sleep_for(5ms);
    }
    std::condition_variable plain;
    std::unique_lock lock(m);
    auto status = plain.wait_for(lock, 3ms);
    std::printf("jthread: stopped %d, timeout %d\n", is_stopped,
                status == std::cv_status::timeout);
}

void once()
{
    std::once_flag flag;
    std::atomic<int> n_tried{0}, n_failed{0};
    std::vector<std::thread> threads;

    for (int i = 0; i < 5; i++)
        threads.emplace_back([&] {
            try {
                std::call_once(flag, [&] {
                    std::this_thread::sleep_for(1ms);
                    if (++n_tried < 3)
                        throw 1;
                });
            } catch (int) {
                n_failed++;
            }
        });
    for (auto &t : threads)
        t.join();
    std::printf("call_once: tried %d failed %d\n", n_tried.load(),
                n_failed.load());
}

/* Threads that exist already see the library's initial values. */
void late_library(const char *path)
{
    std::vector<std::thread> threads;
    std::promise<int *(*)()> opened;
    auto where = opened.get_future().share();
    std::atomic<int> sum{0};

    for (int i = 0; i < 10; i++)
        threads.emplace_back([&, i, where] {
            int *own = where.get()();

            *own += i;
            std::this_thread::sleep_for(2ms);
            sum += *where.get()();
        });
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        std::printf("dlopen: %s\n", dlerror());
        std::exit(1);
    }
    opened.set_value(
        reinterpret_cast<int *(*)()>(dlsym(library, "tls_of_library")));
    for (auto &t : threads)
        t.join();
    std::printf("initial-exec TLS: %d\n", sum.load());
}

} // namespace

int main(int argc, char **argv)
{
    thread_locals();
    exceptions();
    futures();
    locks();
    waiting();
    stopping();
    once();
    if (argc > 1)
        late_library(argv[1]);
    return 0;
}

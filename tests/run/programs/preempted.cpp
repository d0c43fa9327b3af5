/* SPDX-License-Identifier: MIT */
/* What a threaded program does between two system calls: the memory of malloc
 * and of stdio, exceptions, locks of all kinds, loading of libraries, signals,
 * cancellation, children. Threads do it all at once; a sum over what each has
 * got is printed, and does not depend on where they were interrupted. */
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <pthread.h>
#include <random>
#include <regex>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

static void fail(const char *what, int line)
{
    std::fprintf(stderr, "line %d: %s\n", line, what);
    std::_Exit(1);
}

#define CHECK(x) ((x) ? (void)0 : fail(#x, __LINE__))

using Sum = unsigned long long;

/* ---- memory ---- */

static Sum allocate(unsigned seed)
{
    std::minstd_rand random(seed);
    std::vector<std::string> kept(64);
    Sum sum = 0;

    for (int i = 0; i < 6000; i++) {
        std::string &s = kept[random() % kept.size()];

        for (char c : s)
            sum = sum * 31 + static_cast<unsigned char>(c);
        s.assign(random() % 60, static_cast<char>('a' + random() % 26));
    }
    return sum;
}

/* ---- exceptions ---- */

struct Counted {
    explicit Counted(int &n) : n(n) { n++; }
    ~Counted() { n--; }
    int &n;
};

static int dive(int depth, int &alive)
{
    Counted here(alive);

    if (depth == 0)
        throw std::runtime_error(std::to_string(alive));
    return dive(depth - 1, alive) + 1;
}

static Sum throw_and_catch(unsigned seed)
{
    Sum sum = 0;

    for (int i = 0; i < 1500; i++) {
        int alive = 0;

        try {
            dive(static_cast<int>(i * seed % 20), alive);
        } catch (const std::exception &e) {
            sum = sum * 31 + std::strtoull(e.what(), nullptr, 10);
        }
        CHECK(alive == 0);
    }
    return sum;
}

/* ---- text ---- */

static Sum format(unsigned seed)
{
    Sum sum = 0;

    for (int i = 0; i < 4000; i++) {
        char text[100];
        std::ostringstream stream;
        int n = std::snprintf(text, sizeof text, "%u %.17g %s %Lg", seed,
                              std::sin(i + seed), "text",
                              static_cast<long double>(i) / 3);

        stream << text << ' ' << std::sqrt(i) << ' ' << i;
        for (char c : stream.str())
            sum = sum * 31 + static_cast<unsigned char>(c);
        sum += static_cast<Sum>(n);
    }
    return sum;
}

static Sum search(unsigned seed)
{
    static const std::regex pattern("([a-z]+)([0-9]+)");
    Sum sum = 0;

    for (int i = 0; i < 60; i++) {
        std::string text = "x" + std::to_string(i * seed) + " abc12 d3";
        std::sregex_iterator it(text.begin(), text.end(), pattern), end;

        for (; it != end; ++it)
            sum = sum * 31 + std::stoull((*it)[2]);
    }
    return sum;
}

static thread_local std::map<int, std::string> own;

static Sum use_own_data(unsigned seed)
{
    Sum sum = 0;

    for (int i = 0; i < 600; i++)
        own[static_cast<int>((i * seed) % 97)] += static_cast<char>('a' + i % 26);
    for (const auto &entry : own)
        sum = sum * 31 + entry.second.size() + entry.second.back();
    return sum;
}

/* ---- the threads ---- */

static void compute_all()
{
    Sum (*const parts[])(unsigned) = {allocate, throw_and_catch, format,
                                      search, use_own_data};
    std::vector<std::thread> threads;
    std::vector<Sum> sums(10);

    for (unsigned t = 0; t < sums.size(); t++)
        threads.emplace_back([&parts, &sums, t] {
            for (unsigned i = 0; i < 5; i++)
                sums[t] = sums[t] * 31 + parts[(i + t) % 5](t + 1);
        });
    for (auto &t : threads)
        t.join();
    for (Sum sum : sums)
        std::printf("%llx\n", sum);
}

/* All print; the lines are whole, and all are there. */
static void print_all()
{
    std::vector<std::thread> threads;
    std::FILE *f = std::tmpfile();
    std::map<std::string, int> lines;
    char line[100];

    CHECK(f != nullptr);
    for (int t = 0; t < 4; t++)
        threads.emplace_back([f, t] {
            for (int i = 0; i < 2000; i++)
                std::fprintf(f, "thread %d says %f again\n", t, t / 8.0);
        });
    for (auto &t : threads)
        t.join();
    std::rewind(f);
    while (std::fgets(line, sizeof line, f))
        lines[line]++;
    std::fclose(f);
    for (const auto &entry : lines)
        std::printf("%d times: %s", entry.second, entry.first.c_str());
}

/* ---- locks ---- */

static void hand_over()
{
    std::mutex mutex;
    std::shared_mutex shared;
    std::condition_variable not_empty, not_full;
    std::deque<int> queue;
    std::vector<std::thread> threads;
    std::atomic<Sum> sum{0};
    long guarded = 0;

    for (int t = 0; t < 3; t++)
        threads.emplace_back([&] {
            for (int i = 1; i <= 5000; i++) {
                std::unique_lock<std::mutex> lock(mutex);

                not_full.wait(lock, [&] { return queue.size() < 8; });
                queue.push_back(i);
                not_empty.notify_one();
            }
        });
    for (int t = 0; t < 3; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 5000; i++) {
                std::unique_lock<std::mutex> lock(mutex);

                not_empty.wait(lock, [&] { return !queue.empty(); });
                sum += static_cast<Sum>(queue.front());
                queue.pop_front();
                not_full.notify_one();
            }
        });
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20000; i++) {
                if (t % 2) {
                    std::unique_lock<std::shared_mutex> lock(shared);
                    guarded++;
                } else {
                    std::shared_lock<std::shared_mutex> lock(shared);
                    CHECK(guarded >= 0);
                }
            }
        });
    for (auto &t : threads)
        t.join();
    std::printf("handed over %llu, counted %ld\n", sum.load(), guarded);
}

/* ---- libraries ---- */

/* Threads look symbols up, and load and unload, while others do the same. */
static void load()
{
    std::vector<std::thread> threads;
    std::atomic<int> n{0};

    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 40; i++) {
                void *library = dlopen("libm.so.6", RTLD_NOW);
                void *other = dlopen("libutil.so.1", RTLD_LAZY);
                double (*fn)(double);

                CHECK(library != nullptr);
                fn = reinterpret_cast<double (*)(double)>(
                    dlsym(library, "cbrt"));
                CHECK(fn != nullptr && std::fabs(fn(27) - 3) < 1e-9);
                if (other)
                    dlclose(other);
                dlclose(library);
                n++;
            }
        });
    for (auto &t : threads)
        t.join();
    std::printf("loaded %d times\n", n.load());
}

/* ---- signals ---- */

static std::atomic<int> handled;

static void on_signal(int)
{
    handled++;
}

static void interrupt_each_other()
{
    std::vector<std::thread> threads;
    std::atomic<int> n_over{0};
    struct sigaction action = {};
    int sent = 0;

    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, nullptr);
    for (int t = 0; t < 3; t++)
        threads.emplace_back([&] {
            for (volatile double x = 1; handled < 60; x = x * 1.5)
                if (x > 1e9)
                    x = 1;
            n_over++;
        });
    for (int i = 0; handled < 60; i++) {
        int before = handled;

        pthread_kill(threads[static_cast<size_t>(i % 3)].native_handle(),
                     SIGUSR1);
        sent++;
        while (handled == before)
            ;
    }
    for (auto &t : threads)
        t.join();
    std::printf("%d signals, %d handled, %d over\n", sent, handled.load(),
                n_over.load());
}

/* ---- cancellation ---- */

static std::atomic<int> cleaned;

static void clean(void *)
{
    cleaned++;
}

/* Without anything to clean up: C++ does not let an exception come from just
 * anywhere. */
static void *compute_for_ever(void *)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    for (volatile long i = 0;; i = i + 1)
        ;
}

static void *wait_for_ever(void *arg)
{
    char c;
    int fd = *static_cast<int *>(arg);

    pthread_cleanup_push(clean, nullptr);
    for (;;)
        if (read(fd, &c, 1) != 1)
            break;
    pthread_cleanup_pop(0);
    return nullptr;
}

static void cancel()
{
    int canceled = 0, fd[2];

    CHECK(pipe(fd) == 0);
    for (int i = 0; i < 60; i++) {
        pthread_t waiting, computing;
        void *result[2];

        pthread_create(&waiting, nullptr, wait_for_ever, &fd[0]);
        pthread_create(&computing, nullptr, compute_for_ever, nullptr);
        for (volatile int spin = 0; spin < i * 2000; spin = spin + 1)
            ;
        CHECK(pthread_cancel(waiting) == 0);
        while (pthread_cancel(computing) != 0)
            ;
        pthread_join(waiting, &result[0]);
        pthread_join(computing, &result[1]);
        canceled += (result[0] == PTHREAD_CANCELED) +
                    (result[1] == PTHREAD_CANCELED);
    }
    std::printf("%d canceled, %d cleaned up\n", canceled, cleaned.load());
}

/* ---- children ---- */

static void fork_all()
{
    std::vector<std::thread> threads;
    std::atomic<bool> is_over{false};
    std::atomic<int> sum{0};

    threads.emplace_back([&] {
        while (!is_over)
            std::free(std::malloc(100));
    });
    for (int t = 0; t < 3; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 8; i++) {
                int status;
                pid_t child = fork();

                if (child == 0) {
                    std::string text;

                    std::thread([&] { text.assign(5, 'x'); }).join();
                    _exit(static_cast<int>(text.size()) + t);
                }
                CHECK(child > 0 && waitpid(child, &status, 0) == child);
                CHECK(WIFEXITED(status));
                sum += WEXITSTATUS(status);
            }
        });
    for (size_t t = 1; t < threads.size(); t++)
        threads[t].join();
    is_over = true;
    threads[0].join();
    std::printf("children gave %d\n", sum.load());
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)();
    } parts[] = {{"compute", compute_all}, {"print", print_all},
                 {"hand-over", hand_over}, {"load", load},
                 {"interrupt", interrupt_each_other},
                 {"cancel", cancel},       {"fork", fork_all}};

    for (const auto &part : parts) {
        if (argc > 1 && std::strcmp(argv[1], part.name) != 0)
            continue;
        part.fn();
        std::fflush(stdout);
    }
}

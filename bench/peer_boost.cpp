/* SPDX-License-Identifier: MIT */
/* peer_boost.cpp - a switch by Boost.Context, as its users make it: resume()
 * of a fiber. It has no scheduler, hence no other bench. */
#include <boost/context/fiber.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace ctx = boost::context;

enum { SLICES = 40, TIMES = 200000, SKIP = 77 };

static double now_ns()
{
    return std::chrono::duration<double, std::nano>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

int main(int argc, char **argv)
{
    if (argc != 2 || std::strcmp(argv[1], "switch")) {
        std::fprintf(stderr, "Boost.Context only switches\n");
        return SKIP;
    }
    bool is_over = false;
    ctx::fiber other{[&](ctx::fiber &&main) {
        while (!is_over)
            main = std::move(main).resume();
        return std::move(main);
    }};
    double best = 1e9;
    for (int slice = 0; slice < SLICES; slice++) {
        double begin = now_ns();
        for (int i = 0; i < TIMES; i++)
            other = std::move(other).resume();
        double ns = (now_ns() - begin) / (2.0 * TIMES);
        best = ns < best ? ns : best;
    }
    is_over = true;
    other = std::move(other).resume();
    std::printf("{\"value\": %.3f, \"unit\": \"ns\"}\n", best);
    return other ? 1 : 0;
}

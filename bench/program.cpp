// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/program.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "bench/google_benchmark.hpp"
#include "bench/interrupt.hpp"
#include "bench/options.hpp"
#include "bench/plan.hpp"
#include "bench/session.hpp"
#include "core/error.hpp"
#include "runtime/every_rank.hpp"
#include "runtime/tcp_plane.hpp"
#include "runtime/watched_plane.hpp"

namespace moecal::bench {
namespace {

Benchmarks make_benchmarks(const Catalog& catalog) {
  Benchmarks benchmarks;
  for (const auto& make : catalog) benchmarks.push_back(make());
  return benchmarks;
}

// Listing must not touch the run's file.
bool only_lists(const Options& options) {
  return std::any_of(options.remaining.begin(), options.remaining.end(), [](const auto& argument) {
    return argument.rfind("--benchmark_list_tests", 0) == 0 &&
           argument.find("=false") == std::string::npos;
  });
}

int run_ranks(const Benchmarks& benchmarks, Options options, ControlPlane& world,
              Activity& activity) {
  const bool reports = world.rank() == 0;
  // Rates and percentiles as columns; an option of the user's own comes later and wins.
  if (world.size() > 1)
    options.remaining.insert(options.remaining.begin() + 1, "--benchmark_counters_tabular=true");
  on_every_rank(world, [&] {
    if (world.size() > 1) refuse_own_order(options);
    initialize_google(options.remaining, reports);
  });
  const bool lists = only_lists(options);
  if (lists) options.out.clear();
  Session session{benchmarks, options, world, activity};
  if (lists && !reports) return 0;
  run_under_google(session, !reports ? Report::nothing
                            : options.quiet || options.format != "table"
                                ? Report::progress
                                : Report::progress_and_table);
  if (lists) return 0;
  std::cout << session.nccl_tests_text();
  return session.finish();
}

// What is thrown here was thrown on every rank; rank 0 says it.
int report_failure(const std::string& name, const std::exception& error, int rank, int status) {
  if (rank == 0) std::cerr << name << ": " << error.what() << "\n";
  return status;
}

int run_guarded(const std::string& name, const std::function<int()>& body, int rank) {
  try {
    return body();
  } catch (const InvalidInput& error) {
    return report_failure(name, error, rank, 2);
  } catch (const std::exception& error) {
    return report_failure(name, error, rank, 1);
  }
}

int list_or_help(const std::string& name, const Benchmarks& benchmarks, const Options& options) {
  if (options.help) {
    std::cout << help_text(name) << "\nOptions of Google Benchmark, which drives the program:\n\n";
    print_google_help();
  } else {
    std::cout << list_as_json(name, benchmarks, options.suite, options.cuda_devices);
  }
  return 0;
}

}  // namespace

int run_program(const std::string& name, const Catalog& catalog, int argc, char** argv,
                const PlaneFactory& make_plane) {
  Activity activity;
  std::unique_ptr<ControlPlane> world;
  Benchmarks benchmarks;
  Options options;
  const int early = run_guarded(
      name,
      [&] {
        options = parse_options(name, argc, argv);
        benchmarks = make_benchmarks(catalog);
        if (options.help || options.list) return list_or_help(name, benchmarks, options);
        // What waits reads the variable: planes, NCCL's calls, the watchdog.
        if (options.timeout_s)
          ::setenv("MOECAL_TIMEOUT_S", std::to_string(*options.timeout_s).c_str(), 1);
        world = make_plane ? make_watched_plane(make_plane(argc, argv), activity,
                                                timeout_from_environment())
                           : make_single_rank_plane();
        return 0;
      },
      0);
  if (world == nullptr) return early;
  catch_interrupts();
  return run_guarded(
      name,
      [&] {
        try {
          return run_ranks(benchmarks, options, *world, activity);
        } catch (const RankLost& error) {
          world->abort(1, std::string{"lost another: "} + error.what());
          return 1;  // not reached
        } catch (const Error&) {
          throw;  // the ranks agreed on it
        } catch (const std::exception& error) {
          if (world->size() > 1) world->abort(1, std::string{"failed: "} + error.what());
          throw;
        }
      },
      world->rank());
}

}  // namespace moecal::bench

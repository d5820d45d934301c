// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// bench_synthetic: a benchmark program that measures nothing but time passing, for the tests of
// what a program does when it is resumed, interrupted, killed or short of disk, or loses a rank.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <span>
#include <vector>

#include "bench/program.hpp"
#include "core/error.hpp"
#include "runtime/device_health.hpp"

namespace moecal::bench {
namespace {

constexpr std::int64_t kPoints = 40;
constexpr std::int64_t kSkipped = 7;  // the point that cannot be done here
constexpr std::int64_t kFailing = 8;  // in the suite planner it comes out wrong, in full it fails

// What goes wrong with a point; what no suite has, a file of cases asks for.
enum class Wrong : std::int64_t {
  nothing,
  result,
  launch_on_rank_1,
  crash,
  killed,
  device_lost,
  hangs,
  exits
};

void end_by(int signal) {
  if (signal != SIGKILL) std::signal(signal, SIG_DFL);  // a sanitizer has a handler of its own
  std::raise(signal);
}

class SpinTrial final : public Trial {
 public:
  SpinTrial(Wrong wrong, int rank) : wrong_{wrong}, rank_{rank} {}
  void launch(int set, Stream) override {
    if (wrong_ == Wrong::launch_on_rank_1 && rank_ == 1) throw Error{"a launch that fails"};
    if (wrong_ == Wrong::crash) end_by(SIGSEGV);
    if (wrong_ == Wrong::killed) end_by(SIGKILL);
    if (wrong_ == Wrong::device_lost) throw DeviceLost{"a kernel that faults"};
    while (wrong_ == Wrong::hangs) pause();
    if (wrong_ == Wrong::exits) _exit(9);
    results_[static_cast<std::size_t>(set)] = std::byte{1};
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds{100};
    while (std::chrono::steady_clock::now() < end) continue;
  }
  [[nodiscard]] Bytes footprint() const override { return Bytes{1e6}; }
  void prepare(int sets) override { results_.resize(static_cast<std::size_t>(sets)); }
  [[nodiscard]] std::span<std::byte> written(int set) override {
    return std::span{results_}.subspan(static_cast<std::size_t>(set), 1);
  }
  [[nodiscard]] VerificationResult verify() override {
    return {wrong_ == Wrong::result ? 1.0 : 0.0, 0.5, "full"};
  }
  [[nodiscard]] std::string filled_with() const override { return "nothing"; }
  [[nodiscard]] LibraryInfo library() const override { return {"none", "", "spin", 0}; }

 private:
  Wrong wrong_;
  int rank_;
  std::vector<std::byte> results_;  // one of each set
};

std::int64_t wrong_in(Suite suite, std::int64_t index) {
  if (index != kFailing || suite == Suite::quick) return 0;
  return static_cast<std::int64_t>(suite == Suite::planner ? Wrong::result
                                                           : Wrong::launch_on_rank_1);
}

class Spin final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "spin"; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    std::vector<Case> cases(kPoints);
    for (std::int64_t i = 0; i < kPoints; ++i)
      cases[static_cast<std::size_t>(i)].point = {{"index", i}, {"wrong", wrong_in(suite, i)}};
    return cases;
  }
  [[nodiscard]] Work work(const Case&) const override {
    Work work;
    work.read = Bytes{1e12};  // larger than any cache: one policy per point
    return work;
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return {{"spin", "cpu"}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation&, const Case& c,
                                                  Context& context) const override {
    if (c.point.at("index") == kSkipped) throw Unsupported{"this point is always skipped"};
    return std::make_unique<SpinTrial>(Wrong{c.point.at("wrong")}, context.world.rank());
  }
};

}  // namespace
}  // namespace moecal::bench

int main(int argc, char** argv) {
  using namespace moecal::bench;
  return run_program("bench_synthetic", {[] { return std::make_unique<Spin>(); }}, argc, argv,
                     moecal::make_control_plane);
}

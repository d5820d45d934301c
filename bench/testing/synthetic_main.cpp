// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
// bench_synthetic: a benchmark program that measures nothing but time passing, for the tests of
// what a program does when it is resumed, interrupted, killed or short of disk, or loses a rank.
#include <chrono>

#include "bench/program.hpp"
#include "core/error.hpp"

namespace moecal::bench {
namespace {

constexpr std::int64_t kPoints = 40;
constexpr std::int64_t kSkipped = 7;  // the point that cannot be done here
constexpr std::int64_t kFailing = 8;  // the point that comes out wrong, in the suite planner only

class SpinTrial final : public Trial {
 public:
  explicit SpinTrial(bool wrong) : wrong_{wrong} {}
  void launch(int, Stream) override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds{100};
    while (std::chrono::steady_clock::now() < end) continue;
  }
  [[nodiscard]] Bytes footprint() const override { return Bytes{1e6}; }
  void prepare(int) override {}
  [[nodiscard]] VerificationResult verify() override { return {wrong_ ? 1.0 : 0.0, 0.5, "full"}; }
  [[nodiscard]] LibraryInfo library() const override { return {"none", "", "spin", 0}; }

 private:
  bool wrong_;
};

class Spin final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "spin"; }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, int) const override {
    std::vector<Case> cases(kPoints);
    for (std::int64_t i = 0; i < kPoints; ++i)
      cases[static_cast<std::size_t>(i)].point = {
          {"index", i}, {"wrong", suite == Suite::planner && i == kFailing}};
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
                                                  Context&) const override {
    if (c.point.at("index") == kSkipped) throw Unsupported{"this point is always skipped"};
    return std::make_unique<SpinTrial>(c.point.at("wrong") != 0);
  }
};

}  // namespace
}  // namespace moecal::bench

int main(int argc, char** argv) {
  using namespace moecal::bench;
  return run_program("bench_synthetic", {[] { return std::make_unique<Spin>(); }}, argc, argv,
                     moecal::make_control_plane);
}

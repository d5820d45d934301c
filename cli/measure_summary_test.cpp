// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/measure_summary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/environment.hpp"
#include "core/observation.hpp"
#include "tests/temporary_folder.hpp"

namespace moecal::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const Environment kEnvironment{"h200-sxm", "h200-sxm-1", "NVIDIA H200", "host", "580", {}, {}};

Observation copy_of(int bytes, std::vector<bool> throttled) {
  Observation o;
  o.run_id = "test";
  o.operation = "memory_copy";
  o.implementation = "cuda";
  o.backend = "cuda";
  o.dtypes.a = o.dtypes.c = "uint8";
  o.environment_id = kEnvironment.id();
  o.point["bytes"] = bytes;
  o.samples_s.assign(std::max<std::size_t>(throttled.size(), 1), 1e-3);
  o.flags.throttled = std::move(throttled);
  return o;
}

std::string summary_of(const std::vector<Observation>& observations,
                       const PlannedPoints& planned = {}) {
  const TemporaryFolder folder;
  std::string lines = to_json_line(kEnvironment);
  for (const auto& observation : observations) lines += to_json_line(observation);
  const auto file = folder.write("run.jsonl", lines);
  (void)read_observations(file);  // throws here, if at all
  testing::internal::CaptureStdout();
  (void)print_run_summary(file, "test", planned);
  return testing::internal::GetCapturedStdout();
}

TEST(MeasureSummary, CountsPointsThatTheDeviceWasHeldBackIn) {
  auto limited = copy_of(1, {true, true, false, false});
  limited.device.throttle_reasons = {4, 4, 0, 0};
  limited.device.power_limited = true;
  auto failed = copy_of(4, {true});
  failed.outcome = Outcome::failed;
  failed.reason = "wrong result";
  EXPECT_THAT(summary_of({limited, copy_of(2, {true, true}), copy_of(3, {true, false, false}),
                          copy_of(5, {}), failed}),
              HasSubstr("2 of the 4 measured points were throttled in half of their samples or "
                        "more, 1 of them by the device's power limit\n"));
}

TEST(MeasureSummary, SaysNothingOfADeviceThatWasNotHeldBack) {
  EXPECT_THAT(summary_of({copy_of(1, {false, false}), copy_of(2, {true, false, false})}),
              Not(HasSubstr("throttled")));
}

TEST(MeasureSummary, TellsPointsThatAreMissingFromThoseNobodyKnows) {
  const auto point = copy_of(1, {});
  const auto text = summary_of({point}, {{"bench_cut", {.keys = {point.key(), "another"}}},
                                         {"bench_stuck", {.why_unknown = "it was not started"}},
                                         {"bench_whole", {.keys = {point.key()}}}});
  EXPECT_THAT(text, HasSubstr("1 points of bench_cut are recorded nowhere"));
  EXPECT_THAT(text, HasSubstr("the points of bench_stuck are not known: it was not started\n"));
  EXPECT_THAT(text, Not(HasSubstr("bench_whole")));
}

}  // namespace
}  // namespace moecal::cli

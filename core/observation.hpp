// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "core/environment.hpp"
#include "core/error.hpp"
#include "core/exchanged_bytes.hpp"
#include "core/point.hpp"
#include "core/work.hpp"

namespace moecal {

inline constexpr char kObservationSchema[] = "moecal.observation/1";

enum class Outcome { measured, skipped, failed };
[[nodiscard]] std::string_view to_string(Outcome outcome);

/// Reason of a point that was skipped because the time limit of its run was over: a resumed run
/// measures it.
inline constexpr char kNotBegun[] = "not begun: the time limit of the run was over";

/// Timer of batches that the device could not be kept from until they were enqueued: each follows
/// an untimed one of its kind.
inline constexpr char kLedTimer[] = "cuda_event_led";

/// How each number of samples_s came about.
struct SampleInfo {
  std::string statistic = "raw";  // raw | mean | median: of what one sample stands for
  std::int64_t iterations_per_sample = 1;
  std::string timer;  // steady_clock | cuda_event | cuda_event_held | cuda_event_led | foreign
  // Of our own sampler only; else empty and 0.
  std::string fill{};              // what the operands hold, e.g. uniform [-1, 1]
  int buffer_sets = 0;             // that the launches went through in turn
  int touched_sets = 0;            // of those, that a timed launch used
  std::int64_t routing_draws = 0;  // different routing tables; no two samples share one
  // Why no more samples were taken: half_width | samples | time | wall_time | time_limit.
  std::string stopped_by{};
};

/// Per-sample flags, each as long as samples_s or empty. A flagged sample is never deleted.
struct SampleFlags {
  std::vector<bool> throttled;
  std::vector<bool> outlier;
};

/// What the device said of itself at each sample: each as long as samples_s, or empty where it does
/// not say.
struct DeviceTrace {
  std::vector<double> sm_clock_hz;
  std::vector<double> power_w;
  std::vector<double> temperature_c;
  std::vector<std::uint64_t> throttle_reasons;  // NVML's bit mask
  bool power_limited =
      false;            // its power limit held the device back in half of the samples or more
  double energy_j = 0;  // of one launch, over a loop of energy_loop_s; 0: not measured
  double energy_loop_s = 0;

  [[nodiscard]] bool empty() const {
    return sm_clock_hz.empty() && power_w.empty() && temperature_c.empty() &&
           throttle_reasons.empty() && energy_j == 0;
  }
};

struct VerificationResult {
  double max_rel_error = 0;
  double tolerance = 0;
  std::string method;  // full | 1024 of 8192 rows | sampled+freivalds | pattern | none
};

struct LibraryInfo {
  std::string name;
  std::string runtime_version;  // of the library that ran, not of its header
  std::string algorithm = "unknown";
  std::int64_t workspace_bytes = 0;
};

/// Where an observation comes from: our own sampler, or a line of somebody's log.
struct Source {
  std::string kind = "measured";  // measured | imported
  std::string tool;               // imported: nccl-tests, aiconfigurator, ...
  std::string file;               // imported: base name of the file
  int line = 0;                   // imported: 1-based
  std::string sha256;             // imported: of the whole file
};

/// THE record: one point of one operation on one implementation, sampled once. One JSON line; raw
/// samples in seconds, never averaged on the way in; skipped and failed points are records too.
struct Observation {
  std::string run_id;
  int repetition = 0;
  std::string operation;
  std::string implementation;
  std::string backend;
  Dtypes dtypes;
  Point point;
  RoutingSpec routing;  // meaningful where the operation routes; else the default
  bool routed = false;
  Work work;
  Ranks ranks;
  ExchangedBytes exchanged{};  // of an exchange that is routed, by the draw that was timed
  SampleInfo sample;
  std::vector<double> samples_s;
  // On a device: what the host of the first rank spent on a launch, per sample, from before the
  // first launch of the batch to the return of its last. Empty where the clock is the host's.
  std::vector<double> host_s{};
  SampleFlags flags;
  DeviceTrace device{};
  // Collectives, calls one at a time (samples_s are back-to-back calls), per call: the slowest
  // rank's time.
  std::vector<double> call_s{};
  // Of those whose ranks leave a call together: the last start minus the first of a group, what of
  // that the measuring itself may be to blame for, the last arriver's own time, and which rank that
  // was (-1 where the skew is within its floor). Of groups that run at once, the largest.
  std::vector<double> skew_s;
  std::vector<double> skew_floor_s{};
  std::vector<double> transfer_s;
  std::vector<int> late_rank;
  std::map<int, std::string> late_hosts{};  // of the ranks that late_rank names
  // Of an operation made of others: seconds of each part by its name, timed apart in batches of
  // the same size. Empty otherwise.
  std::map<std::string, std::vector<double>> parts_s{};
  // Where the whole was cold: what each part found, whose own bytes may have stayed in the cache
  // between its launches. cold | warm.
  std::map<std::string, std::string> parts_cache{};
  // What an operation measures once beside its times, by name, which ends in the SI unit:
  // event_resolution_s (launch). Empty of most.
  std::map<std::string, double> figures{};
  Outcome outcome = Outcome::measured;
  std::string reason;  // of skipped and failed: a sentence
  Policy policy;
  VerificationResult verification;
  LibraryInfo library;
  std::string environment_id;
  std::string commit;
  Source source;
  std::string started_at;  // UTC, ISO 8601
  /// Not part of the record: the first 12 digits of the SHA-256 of the line it was read from,
  /// newline included. Empty where it was not read.
  std::string digest{};

  /// Median of the samples that are not throttled (of all, if all are). @throws InvalidInput if
  /// there are none.
  [[nodiscard]] double seconds() const;
  /// Its batches could not be held, and the host took about as long as the device: what a launch
  /// costs is in its samples, and no fit learns from it.
  [[nodiscard]] bool is_launch_bound() const;
  /// The resume key: same key, same measurement; run_id and the warm-up's length are not part of
  /// it.
  [[nodiscard]] std::string key() const;
};

/// Whether it was skipped for kNotBegun.
[[nodiscard]] bool is_not_begun(const Observation& observation);

[[nodiscard]] std::string to_json_line(const Observation& observation);

/// A file of observations and the environments they name.
struct ObservationFile {
  std::vector<Environment> environments;
  std::vector<Observation> observations;
  /// @throws InvalidInput if no environment has that id.
  [[nodiscard]] const Environment& environment(const std::string& id) const;
};

/// Reads JSON Lines: environment and observation lines in any order. A last line without its
/// newline (a writer that died) is ignored if it does not parse; any other bad line throws.
/// @throws InvalidInput naming file, line and field; also on another schema version.
[[nodiscard]] ObservationFile read_observations(const std::string& path);
/// The same from a stream; `name` stands for the file in messages.
[[nodiscard]] ObservationFile read_observations(std::istream& stream, const std::string& name);

/// Appends lines to a JSON Lines file: each line is one write(), so a killed process leaves whole
/// lines. A half line that an earlier death left after records is cut off when
/// the file is opened; a file that holds anything else is refused and left as it is.
class LineAppender {
 public:
  /// @throws InvalidInput for a file that is not ours, Error if it cannot be opened or read.
  explicit LineAppender(const std::string& path);
  ~LineAppender();
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;
  /// The line is on disk when it returns.
  /// @throws Error (e.g. "No space left on device") ; lines written before stay whole.
  void append(const std::string& line);
  /// Of a line that may be lost with the machine: waiting for a disk takes milliseconds.
  /// @throws Error as append
  void append_unflushed(const std::string& line);

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace moecal

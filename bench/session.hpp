// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/options.hpp"
#include "bench/plan.hpp"
#include "bench/point_measurer.hpp"
#include "bench/progress.hpp"
#include "bench/run_file.hpp"

namespace moecal::bench {

/// One run of a program: which of the planned points are left to do, measuring them one by one on
/// all ranks, and recording them on rank 0. Knows nothing of Google Benchmark.
/// Every public call is collective over `world`.
class Session {
 public:
  struct Tally {
    int measured = 0, skipped = 0, failed = 0;
    int power_limited = 0;
    int launch_bound = 0;
    int not_begun = 0;  // of the skipped: within the time limit
    int given_up = 0;   // by earlier launches of this run that ended inside them
  };
  /// Where the run is measured.
  struct Place {
    Machine machine;
    Card card;
    Environment environment;
    std::vector<std::string> hosts;  // of each rank
  };
  /// A planned point and how often it is measured.
  struct Entry {
    PlannedPoint point;
    std::vector<char> done;  // per repetition: already on disk
    int next = 0;            // repetition
  };

  /// `activity` is told which point is measured, and each step of it.
  /// @throws InvalidInput, Error: on every rank.
  Session(const Benchmarks& benchmarks, const Options& options, ControlPlane& world,
          Activity& activity);

  /// Writes the keys of what is left to do at the points so chosen (by name) to the file of
  /// Options::plan, if there is one. Collective. @throws Error on every rank
  void write_plan(const std::function<bool(const std::string& name)>& chosen);
  /// The points with something left to do, in the order of the run.
  [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
  /// Measures the next repetition of `entry` that is not on disk, and records it.
  Observation measure_next(Entry& entry);
  /// True once the run has to end early: interrupted, the device is lost, or the disk does not take
  /// another line.
  [[nodiscard]] bool stopped() const { return !stop_reason_.empty(); }
  /// Says on stderr how the run went. Returns the exit status.
  int finish();
  /// What this run measured, earlier launches of it included, as nccl-tests prints it; empty unless
  /// the options ask for it, and on ranks other than 0.
  [[nodiscard]] std::string nccl_tests_text();
  [[nodiscard]] Progress& progress() { return progress_; }
  [[nodiscard]] const std::string& host(int rank) const {
    return place_.hosts.at(static_cast<std::size_t>(rank));
  }

 private:
  static Place find_place(const Options& options, ControlPlane& world);
  void agree_on_run(const Options& options);
  void open_file(const std::string& path);
  // In the order of the run, the same on every rank.
  std::vector<PlannedPoint> points_of(const Benchmarks& benchmarks, const Options& options);
  void agree_on_points(const std::vector<PlannedPoint>& points);
  void keep_what_is_left(std::vector<PlannedPoint> points, int repetitions);
  void stamp(Observation& observation, int repetition) const;
  // How a repetition is not to be measured (Entry::done), by Observation::key().
  [[nodiscard]] char why_done(const std::string& key) const;
  [[nodiscard]] bool is_over_time();
  [[nodiscard]] bool begin(const Entry& entry, const std::string& started_at);
  void note(const Entry& entry, const std::string& started_at) const;
  [[nodiscard]] Observation lose_device(const PlannedPoint& point, const std::string& why);
  void record(const Observation& observation);
  // False, and the run is stopped, if the disk does not take it.
  bool write(const std::function<void()>& to_file);
  void stop(int exit_status, std::string reason);
  [[nodiscard]] std::string where() const;
  [[nodiscard]] std::string agreement() const;
  [[nodiscard]] bool measured_nothing();

  ControlPlane& world_;
  Activity& activity_;
  // Before the place: finding a device starts CUDA, and that takes of the time limit.
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  Place place_;
  Seconds agreeing_{0};  // as SamplerOptions has it, of all points
  PointMeasurer measurer_;
  Progress progress_;
  std::unique_ptr<RunFile> file_;  // rank 0 with --out
  std::vector<Entry> entries_;
  std::string run_id_;
  std::uint64_t order_seed_ = 0;
  std::optional<Seconds> time_limit_;
  Tally tally_;
  bool keeps_results_ = false;
  bool keeps_failed_ = false;
  bool takes_notes_ = true;
  std::string plan_;  // a file
  std::vector<Observation> results_;
  std::string first_skip_;
  int exit_status_ = 0;
  std::string stop_reason_;
};

}  // namespace moecal::bench

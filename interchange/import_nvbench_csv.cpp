// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/csv_table.hpp"
#include "interchange/foreign_benchmark.hpp"
#include "interchange/formats.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

/// NVBench's CSV: one table over all benchmarks, units in the names of the columns. Axes stand
/// between "Device Name" and "Skipped"; those of other benchmarks are empty in a row.
namespace moecal::interchange {
namespace {

const std::vector<std::string> kHead{"Benchmark", "Device Name", "Skipped"};

struct TimeColumn {
  std::string name;  // empty: the table has none
  double seconds = 0;
};

/// @throws InvalidInput if the unit is unknown.
TimeColumn time_column(const std::vector<std::string>& columns, const std::string& what) {
  for (const auto& column : columns)
    if (const auto unit = between(column, what + " (", ")"); unit && column.starts_with(what))
      return {column, seconds_per(std::string{*unit})};
  return {};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "nvbench"} {}

  Imported import() {
    const auto tables = CsvTable::find_all(collector_.file().text, kHead);
    if (tables.empty())
      throw InvalidInput{collector_.file().path + ": has no head of NVBench's CSV"};
    for (const auto& table : tables) {
      read_head(table.columns());
      table.for_each([&](const CsvRow& row) { take(row); },
                     [&](int line, const std::string& reason) {
                       collector_.row(line, [&] { throw InvalidInput{reason}; });
                     });
    }
    return collector_.finish();
  }

 private:
  void read_head(const std::vector<std::string>& columns) {
    try {
      cold_ = time_column(columns, "GPU Time");
      batch_ = time_column(columns, "Batch GPU");
    } catch (const InvalidInput& error) {
      throw InvalidInput{collector_.file().path + ": in the head, " + error.what()};
    }
    if (cold_.name.empty() && batch_.name.empty())
      throw InvalidInput{collector_.file().path + ": no column gives a GPU time and its unit"};
    axes_.clear();
    const auto first = std::find(columns.begin(), columns.end(), "Device Name");
    const auto last = std::find(columns.begin(), columns.end(), "Skipped");
    for (auto column = first; column < last; ++column)
      if (*column != "Device Name" && !column->ends_with("(pow2)")) axes_.push_back(*column);
  }

  void take(const CsvRow& row) {
    const int line = row.line();
    const auto device = collector_.device(row.text("Device Name"), line);
    if (row.text("Skipped") == "Yes")
      return collector_.row(line, [&] { take_skipped(row, device); });
    const bool batch = !batch_.name.empty() && !row.text(batch_.name).empty();
    if (!cold_.name.empty() && (!row.text(cold_.name).empty() || !batch))
      collector_.row(line, [&] { take_time(row, device, cold_, "cold"); });
    if (batch || cold_.name.empty())
      collector_.row(line, [&] { take_time(row, device, batch_, "warm"); });
  }

  [[nodiscard]] Observation start(const CsvRow& row) const {
    std::vector<AxisValue> axes;
    for (const auto& axis : axes_)
      if (!row.text(axis).empty()) axes.push_back({axis, row.text(axis)});
    auto o = collector_.start(row.line(), 1);
    o.implementation = "nvbench";
    describe_benchmark(row.text("Benchmark"), axes, o);
    if (!collector_.options().operation.empty()) o.operation = collector_.options().operation;
    return o;
  }

  void take_skipped(const CsvRow& row, const Device& device) {
    auto o = start(row);
    o.samples_s.clear();
    o.outcome = Outcome::skipped;
    o.reason = "NVBench's CSV gives no reason";
    collector_.take(std::move(o), device);
  }

  void take_time(const CsvRow& row, const Device& device, const TimeColumn& column,
                 const std::string& cache) {
    auto o = start(row);
    o.policy.cache = cache;
    o.samples_s = {row.number(column.name) * column.seconds};
    // Of columns with one name the first is found: "Samples" is that of the cold measurement.
    if (cache == "cold" && !row.text("Samples").empty())
      o.sample.iterations_per_sample = row.count("Samples");
    collector_.take(std::move(o), device);
  }

  KernelCollector collector_;
  TimeColumn cold_, batch_;
  std::vector<std::string> axes_;
};

bool recognises(const std::string& text) { return CsvTable::has_head(text, kHead); }

}  // namespace

Format nvbench_csv_format() {
  return {"nvbench-csv", "CSV of NVBench programs (--csv)", recognises, read_with<Importer>, true};
}

}  // namespace moecal::interchange

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/csv_table.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"

/// Logs of AICB: one call a row, milliseconds, and rates in GiB/s that are called GB/s:
///   comm_type,comm_group,comm_group_size,msg_size,stage,...,_elapsed_time,algbw,busbw,count
///   CommType.all_reduce,CommGroup.dp_group,8,1048576,forward,...,0.125,7.81,13.67,1
/// The first call of a group sets it up: it is left out.
namespace moecal::interchange {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
const std::vector<std::string> kColumns{"comm_type", "comm_group", "comm_group_size",
                                        "msg_size",  "algbw",      "_elapsed_time"};

/// "CommType.all_reduce" -> "all_reduce".
std::string last_word(const std::string& text) { return text.substr(text.rfind('.') + 1); }

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "aicb"} {}

  Imported import() {
    for (const auto& table : CsvTable::find_all(collector_.file().text, kColumns)) {
      set_up_.clear();  // another run sets its groups up again
      table.for_each(
          [&](const CsvRow& row) {
            const auto& card = collector_.card_of("", row.line());
            collector_.row(row.line(), [&] { take(row, card); });
          },
          [&](int line, const std::string& reason) {
            collector_.row(line, [&] { throw InvalidInput{reason}; });
          });
    }
    return collector_.finish();
  }

 private:
  void take(const CsvRow& row, const Card& card) {
    const auto name = last_word(row.text("comm_type"));
    const auto operation = collective_word(name);
    if (operation.empty()) return collector_.leave_out("comm_type " + name);
    if (row.text("_elapsed_time") == "None")
      throw InvalidInput{"column '_elapsed_time' is 'None': a workload to run, not a log of it"};
    const auto ranks = row.count("comm_group_size");
    if (ranks == 1) return collector_.leave_out("group of one rank");
    if (set_up_.insert(operation + row.text("comm_group")).second)
      return collector_.leave_out("first call of a group, which sets it up");
    CollectiveRun run;
    run.card = card;
    run.launch = launch_of(ranks, "comm_group_size");
    run.implementation = "torch-nccl";
    run.backend = "nccl";
    run.library = {"nccl", "unknown", "unknown", 0};
    begin_run(collector_, run, operation);
    const double milliseconds = row.number("_elapsed_time");
    const auto bytes = row.count("msg_size");
    const TimeRange time{milliseconds / 1e3 * (1 - 1e-6), milliseconds / 1e3 * (1 + 1e-6)};
    const auto algbw = printed_number(row.text("algbw"));
    if (!algbw) throw InvalidInput{"column 'algbw' is '" + row.text("algbw") + "', not a number"};
    if (milliseconds > 0 && !is_rate_of(*algbw, kGiB, bytes, time))
      throw InvalidInput{"algbw (in GiB/s) is not msg_size / _elapsed_time"};
    require_busbw(row, operation, *algbw);
    collector_.note("the type is not said: bf16 is assumed, sizes are in bytes");
    take_collective(collector_, run, {row.line(), operation, "bf16", bytes, milliseconds / 1e3});
  }

  /// AICB gives the bus rate of these three by nccl-tests' factor; of others it repeats algbw.
  static void require_busbw(const CsvRow& row, const std::string& operation,
                            const PrintedNumber& algbw) {
    static const std::set<std::string> kWithFactor{"all_reduce", "all_gather", "reduce_scatter"};
    if (!kWithFactor.contains(operation) || row.text("busbw").empty()) return;
    const auto busbw = printed_number(row.text("busbw"));
    if (!busbw) throw InvalidInput{"column 'busbw' is '" + row.text("busbw") + "', not a number"};
    require_bus_factor(operation, static_cast<int>(row.count("comm_group_size")), algbw, *busbw);
  }

  Collector collector_;
  std::set<std::string> set_up_;
};

bool recognises(const std::string& text) { return CsvTable::has_head(text, kColumns); }

}  // namespace

Format aicb_format() { return {"aicb", "logs of AICB, as CSV", recognises, read_with<Importer>}; }

}  // namespace moecal::interchange

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "interchange/formats.hpp"
#include "interchange/json_rows.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/nvbandwidth_tests.hpp"

namespace moecal::interchange {
namespace {

constexpr std::int64_t kDefaultBuffer = 512LL * 1024 * 1024;  // bytes; option -b changes it
constexpr double kLinkSlack = 1.02;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What a test copies, as an operation; empty where it is no copy of one buffer.
std::string operation_of(const NvbandwidthTest& test) {
  if (has(test.description, "(ns)") || has(test.name, "latency")) return "";
  if (has(test.description, "Total")) return "";  // two directions added up
  if (test.name.starts_with("host_to_")) return "copy_host_to_device";
  if (test.name.starts_with("device_to_host") || test.name.starts_with("all_to_host"))
    return "copy_device_to_host";
  if (test.name.starts_with("device_local")) return "memory_copy";
  if (test.name.starts_with("device_to_device")) return "copy_device_to_device";
  return "";
}

/// The link a copy crosses, where it has it to itself and the sheet states its rate.
MaybeNominal<BytesPerSecond> own_link(const std::string& operation, const Card& card) {
  if (operation == "copy_device_to_device") return card.link.rate;
  if (operation == "memory_copy") return std::nullopt;
  return card.pcie.rate;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "nvbandwidth"} {}

  Imported import(NvbandwidthRun run) {
    run_ = std::move(run);
    const std::set<std::string> names{run_.devices.begin(), run_.devices.end()};
    if (names.size() > 1 && collector_.options().card.empty())
      throw InvalidInput{collector_.file().path + ": the run mixes devices ('" + *names.begin() +
                         "' and '" + *names.rbegin() + "'): name one with --card"};
    collector_.shared_environment().driver = run_.driver;
    bytes_ = buffer_bytes();
    const auto device = collector_.device(names.empty() ? "" : *names.begin(), 0);
    for (const auto& test : run_.tests) take_test(test, device);
    return collector_.finish();
  }

 private:
  [[nodiscard]] std::int64_t buffer_bytes() {
    if (run_.buffer_bytes >= 1 && run_.buffer_bytes <= 1e15)
      return static_cast<std::int64_t>(run_.buffer_bytes);
    collector_.note("the file does not say how large the buffers were: nvbandwidth's 512 MiB");
    return kDefaultBuffer;
  }

  void take_test(const NvbandwidthTest& test, const Device& device) {
    const auto leave_out = [&](int line, const std::string& what) {
      collector_.row(line, [&] { collector_.leave_out(what); });
    };
    if (test.status != "Passed")
      return leave_out(test.line, "test " + test.name + ": " + test.status);
    const auto operation = operation_of(test);
    const auto problem = why_damaged(test);
    for (const auto& damage : test.damage)
      collector_.row(damage.line, [&] { throw InvalidInput{damage.reason}; });
    if (test.cells.empty() && !test.damage.empty()) return;
    if (test.cells.empty())
      return collector_.row(test.line, [&] { throw InvalidInput{"the test has no matrix"}; });
    for (const auto& cell : test.cells) {
      if (cell.text == "N/A")
        leave_out(cell.line, "cell N/A: no such copy");
      else if (operation.empty())
        leave_out(cell.line, "test " + test.name + ": no copy of one buffer");
      else
        collector_.row(cell.line, [&] {
          if (!problem.empty()) throw InvalidInput{problem};
          take_cell(test, cell, device);
        });
    }
  }

  /// The sum of a matrix is printed with it. Of a test with several matrices it is the last one's.
  static std::string why_damaged(const NvbandwidthTest& test) {
    if (!test.sum || has(test.name, "device_to_device_bidirectional")) return "";
    double sum = 0, slack = test.sum->half_step;
    for (const auto& cell : test.cells)
      if (cell.number) {
        sum += cell.number->value;
        slack += cell.number->half_step;
      }
    const bool same = std::abs(sum - test.sum->value) <= slack * (1 + 1e-9) + 1e-9 * sum;
    return same ? "" : "the matrix does not have the sum that is printed below it";
  }

  void take_cell(const NvbandwidthTest& test, const NvbandwidthCell& cell, const Device& device) {
    if (!cell.number || !(cell.number->value > 0))
      throw InvalidInput{"the bandwidth '" + cell.text + "' of " + test.name +
                         " is not a number above 0"};
    const double rate = cell.number->value * 1e9;
    auto o = collector_.start(cell.line, static_cast<double>(bytes_) / rate);
    o.operation = operation_of(test);
    o.implementation = test.name;  // bidirectional, to all, by copy engine or kernel: all in it
    o.dtypes.a = "uint8";
    o.point = {{"bytes", bytes_}};
    o.library.runtime_version = run_.version;
    refuse_beyond_link(o, rate, device.card);
    collector_.take(std::move(o), device);
  }

  static void refuse_beyond_link(const Observation& o, double rate, const Card& card) {
    const auto link = own_link(o.operation, card);
    if (link && rate > kLinkSlack * link->value.value())
      throw InvalidInput{std::to_string(rate / 1e9) + " GB/s is more than the " +
                         std::to_string(link->value.value() / 1e9) + " GB/s that a link of " +
                         card.id + " carries in one direction"};
  }

  KernelCollector collector_;
  NvbandwidthRun run_;
  std::int64_t bytes_ = kDefaultBuffer;
};

bool is_json(const std::string& text) {
  return is_json_with(text, {"\"nvbandwidth\"", "\"testcases\""});
}

Imported read(const ForeignFile& file, const ImportOptions& options) {
  return Importer{file, options}.import(is_json(file.text) ? read_nvbandwidth_json(file)
                                                           : read_nvbandwidth_text(file.text));
}

bool recognises(const std::string& text) {
  return text.find("nvbandwidth Version:") != std::string::npos || is_json(text);
}

}  // namespace

Format nvbandwidth_format() {
  return {"nvbandwidth", "text and JSON (--json) of nvbandwidth", recognises, read, true};
}

}  // namespace moecal::interchange

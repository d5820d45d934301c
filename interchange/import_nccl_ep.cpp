// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/line_format.hpp"
#include "interchange/moe_exchange.hpp"
#include "interchange/text_lines.hpp"

/// What ep_bench of NCCL's extensions prints: a configuration, then summaries.
///   Low latency, of the host's clock and of the kernels:
///     Dispatch:  avg=90.00 us, min=85.00 us, max=95.00 us
///               bus bandwidth (excl. protocol headers): avg=80.00 GB/s, min=76.00 GB/s (rank 3),
///               ...
///   High throughput:
///     Dispatch:    total=900.00 us (min=890.00, max=910.00)
///                  recv: total_bw=250.00  nvl_bw=200.00  rdma_bw=50.00 GB/s
///   Both end with the payload, in MB.
namespace moecal::interchange {
namespace {

/// A time that waits for the rate and the payload printed behind it.
struct Timed {
  int line = 0;
  std::string side{};                                       // dispatch | combine
  std::optional<PrintedNumber> average{}, least{}, most{};  // microseconds
  std::optional<PrintedNumber> rate{}, low{}, high{};       // GB/s
  bool kernel = false;
};

std::string dtype_of(std::string_view word) {
  if (word == "bf16") return "bf16";
  if (word == "fp16") return "f16";
  if (word == "fp32") return "f32";
  if (word == "fp8e4m3") return "fp8_e4m3";
  if (word == "fp8e5m2") return "fp8_e5m2";
  return "";
}

/// "Dispatch:  avg=..." and "Dispatch:    total=...", "Combine: ..." likewise; nothing otherwise.
std::optional<Timed> parse_time(std::string_view line, int number) {
  Timed timed{.line = number, .side = line.starts_with("Dispatch: ") ? "dispatch" : "combine"};
  if (!line.starts_with("Dispatch: ") && !line.starts_with("Combine: ")) return std::nullopt;
  for (const std::string_view word : {"avg=", "total=", "kernel="}) {
    if (line.find(word) == line.npos) continue;
    timed.average = number_after(line, word);
    timed.least = number_after(line, "min=");
    timed.most = number_after(line, "max=");
    timed.kernel = word == "kernel=";
    return timed;
  }
  return std::nullopt;
}

/// @throws InvalidInput unless least <= average <= most, where they are printed.
void require_order(const Timed& timed) {
  const auto wrong = [](const auto& least, const PrintedNumber& average, const auto& most) {
    return (least && least->lo() > average.hi()) || (most && most->hi() < average.lo());
  };
  if (wrong(timed.least, *timed.average, timed.most))
    throw InvalidInput{"the average time is not between least and most"};
  if (timed.rate && wrong(timed.low, *timed.rate, timed.high))
    throw InvalidInput{"the average rate is not between least and most"};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "nccl-ep"} {}

  Imported import() {
    int number = 0;
    for (const auto whole : lines_of(collector_.file().text)) take_line(trimmed(whole), ++number);
    take_pending({}, {});
    return collector_.finish();
  }

 private:
  void take_line(std::string_view line, int number) {
    if (line.starts_with("=== NCCL EP Performance Benchmark")) start_configuration();
    if (line.starts_with("=== Summary")) start_summary(line);
    if (line.starts_with("--- ")) kernels_ = line.find("ernel") != line.npos;
    const auto colon = line.find(':');
    if (!in_summary_ && colon != line.npos)
      settings_.insert_or_assign(std::string{trimmed(line.substr(0, colon))},
                                 std::string{trimmed(line.substr(colon + 1))});
    if (!in_summary_) return;
    if (auto timed = parse_time(line, number)) {
      timed->kernel = kernels_;
      pending_.push_back(*timed);
    } else if (line.starts_with("Total (D+C):")) {
      collector_.row(number, [&] { collector_.leave_out("dispatch and combine in one time"); });
    } else if (!pending_.empty()) {
      take_rate(line, pending_.back());
    }
    take_payload(line);
  }

  void start_configuration() {
    take_pending({}, {});
    settings_.clear();
    in_summary_ = false;
  }

  void start_summary(std::string_view line) {
    take_pending({}, {});
    in_summary_ = true;
    kernels_ = false;
    high_throughput_ = line.find("High Throughput") != line.npos;
  }

  static void take_rate(std::string_view line, Timed& timed) {
    if (timed.rate) return;  // of the sum of both, or counted another way
    if (line.starts_with("bus bandwidth")) {
      timed.rate = number_after(line, "avg=");
      timed.low = number_after(line, "min=");
      timed.high = number_after(line, "max=");
    } else if (line.starts_with("recv:") || line.starts_with("send:")) {
      timed.rate = number_after(line, "total_bw=");
    }
  }

  void take_payload(std::string_view line) {
    if (line.starts_with("Mean payload/rank:"))
      take_pending(number_after(line, "dispatch="), number_after(line, "combine="));
    else if (line.starts_with("Logical payload bytes"))  // combine sends back what was received
      take_pending(number_after(line, "total_recv="), number_after(line, "total_recv="));
  }

  using Megabytes = std::optional<PrintedNumber>;

  void take_pending(const Megabytes& dispatch, const Megabytes& combine) {
    const auto pending = std::move(pending_);
    pending_.clear();
    for (const auto& timed : pending) {
      const auto device = collector_.device("", timed.line);
      collector_.row(timed.line,
                     [&] { take(timed, timed.side == "dispatch" ? dispatch : combine, device); });
    }
  }

  /// @throws InvalidInput if the payload over the time is none of the rates of the ranks: they
  /// differ in payload and time, so their mean rate is near, not at, the quotient of the means.
  void require_rate(const Timed& timed, const Megabytes& payload) {
    constexpr double kSlack = 0.02;
    if (!timed.rate || !payload)
      return collector_.note("no payload or rate is printed: the times stand alone");
    const double lo = (timed.low ? timed.low->lo() : timed.rate->lo()) * (1 - kSlack);
    const double hi = (timed.high ? timed.high->hi() : timed.rate->hi()) * (1 + kSlack);
    const double rate = payload->value * 1e6 / (timed.average->value * 1e3);
    if (!(rate >= lo && rate <= hi))
      throw InvalidInput{"the payload over the time is " + std::to_string(rate) +
                         " GB/s, the rate printed is " + std::to_string(timed.rate->value)};
  }

  [[nodiscard]] std::string setting(const std::string& name) const {
    const auto found = settings_.find(name);
    return found == settings_.end() ? "" : found->second;
  }

  [[nodiscard]] std::int64_t count(const std::string& name) const {
    const auto text = setting(name);
    if (text.empty()) throw InvalidInput{"the configuration above the row has no '" + name + "'"};
    return count_of(text.substr(0, text.find(' ')), name);
  }

  [[nodiscard]] Launch launch(const Device& device, int line) {
    const auto ranks = count("Ranks");
    return exchange_launch(collector_, device, launch_of(ranks, "'Ranks:'"), line);
  }

  [[nodiscard]] std::string implementation(const Timed& timed) const {
    auto name = std::string{"nccl-ep-"} + (high_throughput_ ? "ht" : "ll");
    for (const char* part : {"Layout", "HT EM mode"})
      if (const auto text = setting(part); !text.empty())
        name += "-" + slug(text.substr(0, text.find(' ')));
    const auto multiprocessors = setting("Max num SMs");
    if (!multiprocessors.empty() && multiprocessors != "auto")
      name += "-" + slug(multiprocessors) + "sms";
    if (setting("Use zero-copy").starts_with("enabled")) name += "-zero-copy";
    return name + (timed.kernel ? "-kernel" : "");
  }

  void take(const Timed& timed, const Megabytes& payload, const Device& device) {
    if (!timed.average) throw InvalidInput{"the time is no number"};
    if (!setting("Sub-test").empty()) return collector_.leave_out("ranks of uneven tokens");
    const auto recipe = setting("Dispatch recipe");
    if (!recipe.empty() && recipe != "none" && recipe != "scales-forward")
      return collector_.leave_out("dispatch recipe " + recipe);
    const auto type = dtype_of(setting("Dispatch dtype"));
    if (type.empty()) return collector_.leave_out("dtype " + setting("Dispatch dtype"));
    if (timed.kernel && timed.average->hi() < 0.01)
      return collector_.leave_out("kernel time 0: built without CUPTI");
    require_order(timed);
    require_rate(timed, payload);
    take_exchange(collector_, device,
                  {.line = timed.line,
                   .operation = "moe_" + timed.side,
                   .implementation = implementation(timed),
                   .dtype = type,
                   .seconds = timed.average->value / 1e6,
                   .shape = {count("Tokens"), count("Hidden"), count("Experts"), count("Top-k")},
                   .launch = launch(device, timed.line),
                   .library = {"nccl-ep", "unknown", "unknown", 0}});
  }

  KernelCollector collector_;
  std::map<std::string, std::string> settings_;
  std::vector<Timed> pending_;
  bool in_summary_ = false, kernels_ = false, high_throughput_ = false;
};

bool recognises(const std::string& text) {
  return text.find("=== NCCL EP Performance Benchmark") != std::string::npos ||
         (text.find("=== Summary (") != std::string::npos &&
          text.find("Dispatch: ") != std::string::npos);
}

}  // namespace

Format nccl_ep_format() {
  return {"nccl-ep", "what ep_bench of NCCL's extensions prints", recognises, read_with<Importer>,
          true};
}

}  // namespace moecal::interchange

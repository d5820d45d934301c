// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/collective_facts.hpp"
#include "interchange/collective_table.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// Tables of nccom-test, of AWS Neuron; its GB/s are GiB/s:
///   nccom-test -r 2 allr
///        size(B)    count(elems)     type    time(us)    algbw(GB/s)    busbw(GB/s)
///       33554432        33554432    uint8         800          39.06          39.06
namespace moecal::interchange {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

bool is_head(const std::string& line) {
  return line.find("size(B)") != std::string::npos &&
         line.find("count(elems)") != std::string::npos &&
         line.find("algbw(GB/s)") != std::string::npos;
}

std::string operation_of(const std::string& word) {
  static const std::map<std::string, std::string> kShort{
      {"allr", "all_reduce"}, {"allg", "all_gather"}, {"redsct", "reduce_scatter"}};
  const auto found = kShort.find(word);
  return found == kShort.end() ? collective_word(word) : found->second;
}

bool is_row(const std::string& line) {
  return words_of(line).size() >= 4 && is_row_of_numbers(line);
}

class Importer final : public CollectiveTables {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : CollectiveTables{file,
                         options,
                         {"nccom-test", "nccom", "neuron", "", is_head, is_row, looks_like_row}} {}

 private:
  void take_context(const std::string& line) override {
    if (line.find("nccom-test ") == std::string::npos) return;
    for (const auto& word : words_of(line)) name_operation(operation_of(word));
    const auto ranks = option_value(line, R"( (?:-r|--nworkers) (\d+))");
    begin_run_of(ranks ? std::optional{launch_of(*ranks, "the command line")} : std::nullopt);
  }

  void take_row(const TextLine& line) override {
    const auto words = words_of_row(line.text);
    const auto type = field(words, "type"), us = field(words, "time");
    const auto dtype = short_dtype_word(type);
    if (!dtype) return collector().leave_out("dtype " + type);
    const auto time = printed_number(us), algbw = printed_number(field(words, "algbw")),
               busbw = printed_number(field(words, "busbw"));
    if (!time || !(time->value > 0)) throw InvalidInput{"time(us) is '" + us + "'"};
    if (!algbw || !busbw) throw InvalidInput{"algbw or busbw is no number"};
    const auto bytes = bytes_of(field(words, "size(B)"), "size(B)");
    const auto seconds = time_of(*time, 1e-6);
    if (!is_rate_of(*algbw, kGiB, bytes, seconds))
      throw InvalidInput{"algbw (in GiB/s) is not size / time"};
    require_bus_factor(operation(), run().launch.ranks.group, *algbw, *busbw);
    take_collective(collector(), run(),
                    {line.number, operation(), *dtype, bytes, seconds_within(seconds)});
  }
};

bool recognises(const std::string& text) { return any_line(text, is_head); }

}  // namespace

Format nccom_test_format() {
  return {"nccom-test", "tables of nccom-test (AWS Neuron)", recognises, read_with<Importer>};
}

}  // namespace moecal::interchange

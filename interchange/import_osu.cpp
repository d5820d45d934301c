// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <regex>

#include "interchange/collective_facts.hpp"
#include "interchange/collective_run.hpp"
#include "interchange/formats.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"
#include "interchange/text_search.hpp"

/// The latency tests of the OSU micro-benchmarks:
///   # OSU MPI-CUDA All-to-All Personalized Exchange Latency Test v7.5
///   # Datatype: MPI_CHAR.
///   # Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations
///   1024                   22.34             21.90             23.01        1000
/// The size of an all-to-all is of the message to each peer, that of an all-gather of what each
/// rank gives; the others' are of the whole buffer.
namespace moecal::interchange {
namespace {

struct Title {
  std::string library;  // "MPI-CUDA", "MPI", "NCCL"
  std::string test;     // "All-to-All Personalized Exchange"; empty: between two ranks
  std::string version;
};

std::optional<Title> read_title(const std::string& line) {
  static const std::regex kTitle{R"(#\s*OSU (\S+) (?:(.*) )?Latency Test(?: v([0-9.]+))?\s*$)"};
  std::smatch match;
  if (line.find("# OSU ") == std::string::npos || !std::regex_search(line, match, kTitle))
    return std::nullopt;
  return Title{match[1], match[2], match[3].matched ? match[3].str() : "unknown"};
}

std::string operation_of(const Title& title) {
  auto test = title.test;
  if (const auto at = test.find(" Personalized Exchange"); at != test.npos) test.resize(at);
  return test.empty() ? "send_recv" : collective_word(test);
}

/// The columns of "# Size       Avg Latency(us)   Iterations": names hold single blanks.
std::optional<std::vector<std::string>> read_columns(const std::string& line) {
  static const std::regex kGap{R"(\s{2,}|\t)"};
  const std::string text{trimmed(line)};
  if (!text.starts_with("# Size")) return std::nullopt;
  const auto names = text.substr(2);
  return std::vector<std::string>{std::sregex_token_iterator{names.begin(), names.end(), kGap, -1},
                                  {}};
}

/// One title and what stands below it.
struct Section {
  Title title;
  std::string operation;
  std::optional<CollectiveRun> run;
  std::string dtype;
  std::vector<std::string> columns;
  std::string problem;  // why no row below the title can be used; empty if they can
};

Launch launch_of_two() {
  auto launch = launch_of(2, "the test");
  launch.of_program = true;
  return launch;
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : options_{options}, collector_{file, options, "osu"} {}

  Imported import() {
    for (const auto& line : numbered_lines(collector_.file().text)) take(line);
    return collector_.finish();
  }

 private:
  void take(const TextLine& line) {
    const auto launch = read_launch_line(line.text);
    if (launch.processes) {
      launch_ = launch_of(*launch.processes, "the launch command");
      launch_->ranks.nodes = launch.nodes.value_or(1);
      launch_->nodes_known = launch.nodes.has_value();
    } else if (const auto title = read_title(line.text)) {
      section_ = Section{*title, operation_of(*title), {}, "", {}, ""};
    } else if (line.text.find("Datatype: MPI_") != std::string::npos) {
      section_.dtype = dtype_of(line.text);
    } else if (const auto columns = read_columns(line.text)) {
      section_.columns = *columns;
      in_table_ = true;
    } else if (is_row(line.text)) {
      in_table_ = true;
      take_row(line);
    } else if (ends_table(line.text)) {
      in_table_ = false;
    } else if (in_table_ && looks_like_row(line.text)) {
      collector_.refuse_damaged(line.number);
    }
  }

  [[nodiscard]] bool is_row(const std::string& line) const {
    const auto words = words_of(line);
    return !section_.columns.empty() && words.size() >= 2 && printed_number(words[0]) &&
           looks_like_row(line);
  }

  static std::string dtype_of(const std::string& line) {
    static const std::map<std::string, std::string> kTypes{
        {"MPI_CHAR", "int8"}, {"MPI_FLOAT", "f32"}, {"MPI_INT", "int32"}};
    for (const auto& [word, dtype] : kTypes)
      if (line.find(word) != std::string::npos) return dtype;
    return std::string{trimmed(line.substr(line.find("MPI_")))};
  }

  /// Before the option existed reductions were of floats, and everything else of bytes.
  std::string usual_dtype() {
    const bool reduces =
        section_.operation == "all_reduce" || section_.operation == "reduce_scatter";
    const std::string dtype = reduces ? "f32" : "int8";
    collector_.note("no Datatype line: " + dtype + " is assumed");
    return dtype;
  }

  /// A file holds the sections of several launches: where one of them cannot be, its own rows are
  /// refused. An unknown card is wrong with the whole file.
  void begin(int line) {
    const auto& card = collector_.card_of("", line);
    try {
      const FileLine where{collector_.file().path, line};
      const bool of_two = section_.operation == "send_recv";
      begin_with(require_launch(options_, of_two ? launch_of_two() : launch_, where), card);
    } catch (const InvalidInput& error) {
      section_.problem = error.what();
    }
  }

  void begin_with(const Launch& launch, const Card& card) {
    if (section_.dtype.empty()) section_.dtype = usual_dtype();
    if (options_.nodes && !nodes_of_options(launch, options_))
      collector_.note("--nodes " + std::to_string(*options_.nodes) +
                      " is not of the test between two ranks");
    CollectiveRun run;
    run.launch = launch;
    run.card = card;
    run.implementation = slug(section_.title.library);
    run.backend = run.implementation.starts_with("nccl") ? "nccl" : "mpi";
    run.library = {run.backend, "unknown", "unknown", 0};
    collector_.begin_section();
    begin_run(collector_, run, section_.operation);
    section_.run = std::move(run);
  }

  void take_row(const TextLine& line) {
    if (section_.operation.empty()) {
      collector_.row(line.number,
                     [&] { collector_.leave_out("operation " + section_.title.test); });
      return;
    }
    if (!section_.run && section_.problem.empty()) begin(line.number);
    collector_.row(line.number, [&] {
      if (!section_.problem.empty()) throw InvalidInput{section_.problem};
      take_words(words_of(line.text), line.number);
    });
  }

  void take_words(const std::vector<std::string>& words, int line) {
    if (!is_known_dtype()) return collector_.leave_out("dtype " + section_.dtype);
    const auto time = printed_number(field(words, "Latency"));
    if (!time) throw InvalidInput{"column Latency is '" + field(words, "Latency") + "'"};
    auto run = *section_.run;
    if (const auto iterations = field(words, "Iterations"); !iterations.empty())
      run.iterations = count_of(iterations, "Iterations");
    const auto size = bytes_of(words[0], "Size");
    const auto& operation = section_.operation;
    const bool of_one = operation == "all_to_all" || operation == "all_gather";
    const auto verdict = field(words, "Validation");
    take_collective(collector_, run,
                    {line, operation, section_.dtype,
                     of_one ? bytes_of_all(size, run.launch.ranks.group) : size,
                     seconds_within(time_of(*time, 1e-6)),
                     verdict.empty() || verdict == "Pass" ? "" : "the validation says " + verdict});
  }

  [[nodiscard]] bool is_known_dtype() const { return !section_.dtype.starts_with("MPI_"); }

  /// The word under the first column of which the name holds `part`; empty if there is none.
  /// @throws InvalidInput if the row is shorter than the head.
  [[nodiscard]] std::string field(const std::vector<std::string>& words,
                                  const std::string& part) const {
    for (std::size_t i = 0; i < section_.columns.size(); ++i) {
      if (section_.columns[i].find(part) == std::string::npos) continue;
      if (i >= words.size()) throw InvalidInput{"there is nothing in column " + part};
      return words[i];
    }
    return "";
  }

  const ImportOptions& options_;
  Collector collector_;
  std::optional<Launch> launch_;
  Section section_;
  bool in_table_ = false;
};

bool recognises(const std::string& text) {
  return any_line(text, [](const std::string& line) { return read_title(line).has_value(); });
}

}  // namespace

Format osu_format() {
  return {"osu", "latency tests of the OSU micro-benchmarks", recognises, read_with<Importer>,
          true};
}

}  // namespace moecal::interchange

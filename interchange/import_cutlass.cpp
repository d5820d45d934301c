// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "interchange/csv_table.hpp"
#include "interchange/formats.hpp"
#include "interchange/gemm_row.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/text_lines.hpp"

namespace moecal::interchange {
namespace {

const std::vector<std::string> kHead{"Provider",    "OperationKind", "Operation",
                                     "Disposition", "Status",        "Runtime"};

constexpr double kGibi = 1024.0 * 1024 * 1024;
constexpr double kPrintedTo = 1e-4;  // figures have six digits

/// "f16:row" -> f16 and T or N: a row-major first operand is a transposed one to BLAS.
struct Operand {
  std::string dtype;
  bool row_major = false;
};

Operand operand(const std::string& field, const std::string& column) {
  static const std::map<std::string, std::string> kTypes{
      {"f32", "f32"},       {"f16", "f16"},        {"bf16", "bf16"},      {"e4m3", "fp8_e4m3"},
      {"e5m2", "fp8_e5m2"}, {"fe4m3", "fp8_e4m3"}, {"fe5m2", "fp8_e5m2"}, {"s8", "int8"},
      {"s32", "int32"},     {"u8", "uint8"}};
  const auto parts = split_at(field, ':');
  if (parts.size() != 2 || (parts[1] != "row" && parts[1] != "column"))
    throw InvalidInput{"column '" + column + "' is '" + field + "', not a type and a layout"};
  const auto type = kTypes.find(std::string{parts[0]});
  return {type == kTypes.end() ? "" : type->second, parts[1] == "row"};
}

std::string type_word(const std::string& field) { return field.substr(0, field.find(':')); }

/// True where two figures that should be the same agree to the digits that are printed.
bool agree(double a, double b) { return std::abs(a - b) <= kPrintedTo * std::abs(b); }

/// Bandwidth and rate follow from the columns beside them; GB/s is GiB/s in this tool.
void check_figures(const CsvRow& row, double seconds, double flops) {
  const double stated_flops = row.number("Flops");
  // 2 m n k, or with the 2 m n of scaling and adding to the result.
  const double scaling = 2 * row.number("m") * row.number("n");
  if (stated_flops < flops * (1 - 1e-9) || stated_flops > flops + 2 * scaling)
    throw InvalidInput{"column 'Flops' is not 2 m n k: the row is damaged"};
  if (!agree(row.number("GFLOPs"), stated_flops / seconds / 1e9))
    throw InvalidInput{"column 'GFLOPs' is not Flops / Runtime: the row is damaged"};
  if (!agree(row.number("GB/s"), row.number("Bytes") / seconds / kGibi))
    throw InvalidInput{"column 'GB/s' is not Bytes / Runtime in GiB/s: the row is damaged"};
}

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "cutlass-profiler"} {}

  Imported import() {
    const auto device = collector_.device("", 0);
    for (const auto& table : CsvTable::find_all(rows_only(collector_.file().text), kHead))
      table.for_each(
          [&](const CsvRow& row) { collector_.row(row.line(), [&] { take(row, device); }); },
          [&](int line, const std::string& reason) {
            collector_.row(line, [&] { collector_.refuse(line, reason); });
          });
    return collector_.finish();
  }

  /// The text with the report between tables blanked: a line without a comma is no row, unless it
  /// is the number with which a row begins.
  static std::string rows_only(const std::string& text) {
    std::string rows;
    for (const auto line : lines_of(text)) {
      const bool number = !line.empty() && line.find_first_not_of("0123456789") == line.npos;
      if (number || line.find(',') != line.npos) rows += line;
      rows += '\n';
    }
    return rows;
  }

 private:
  void take(const CsvRow& row, const Device& device) {
    if (row.text("OperationKind") != "gemm")
      return collector_.leave_out("operation " + row.text("OperationKind"));
    if (const auto batch = row.text("batch_count"); !batch.empty() && batch != "1")
      return collector_.leave_out("batched GEMM");
    const auto result = row.text("D").empty() ? "C" : "D";
    const auto a = operand(row.text("A"), "A"), b = operand(row.text("B"), "B"),
               c = operand(row.text(result), result);
    for (const char* column : {"A", "B", result})
      if (operand(row.text(column), column).dtype.empty())
        return collector_.leave_out("dtype " + type_word(row.text(column)));
    const GemmShape shape{row.count("m"), row.count("n"), row.count("k")};
    auto o = start(row, shape);
    const auto accumulate = operand(row.text("accum") + ":row", "accum").dtype;
    o.dtypes = {a.dtype, b.dtype,
                c.dtype, accumulate,
                "none",  std::string{a.row_major ? "T" : "N"} + (b.row_major ? "T" : "N")};
    collector_.take(std::move(o), device);
  }

  /// Outcome, time and kernel of a row.
  [[nodiscard]] Observation start(const CsvRow& row, const GemmShape& shape) const {
    const auto status = row.text("Status"), disposition = row.text("Disposition");
    auto o = collector_.start(row.line(), 1);
    o.operation = "expert_gemm";
    o.point = shape.point();
    const auto provider = slug(row.text("Provider")), kernel = row.text("Operation");
    o.implementation = kernel.starts_with(provider) ? kernel : provider + "-" + kernel;
    o.library = {provider, "unknown", kernel, 0};
    o.outcome = outcome_of(status, disposition);
    if (o.outcome != Outcome::measured)
      o.reason = "the profiler says: status " + status + ", disposition " + disposition;
    if (disposition == "passed") o.verification.method = "full";
    o.samples_s.clear();
    const bool timed = status == "success" && o.outcome != Outcome::skipped;
    if (!timed) return o;
    const double seconds = row.number("Runtime") / 1e3;
    if (!(seconds > 0)) throw InvalidInput{"column 'Runtime' is not above 0"};
    check_figures(row, seconds, shape.flops());
    o.samples_s = {seconds};
    return o;
  }

  static Outcome outcome_of(const std::string& status, const std::string& disposition) {
    if (status == "success" && (disposition == "passed" || disposition == "not_verified"))
      return Outcome::measured;
    const bool not_run = disposition == "not_run" || disposition == "not_supported" ||
                         disposition == "invalid_problem";
    return not_run ? Outcome::skipped : Outcome::failed;
  }

  KernelCollector collector_;
};

bool recognises(const std::string& text) { return CsvTable::has_head(text, kHead); }

}  // namespace

Format cutlass_format() {
  return {"cutlass", "GEMM rows of the CUTLASS profiler's CSV, alone or in its output", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange

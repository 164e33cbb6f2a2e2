"""What pages write to have a table or a help text drawn.

```{stormcone-table} moves
```

```{stormcone-help} simulate reboot
```

```{stormcone-picture} approval
```

```{stormcone-configuration}
```

```{stormcone-recipe} haproxy
```

```{stormcone-performance} fleet
```

```{stormcone-curve} advance
```
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from stormcone_performance import curves, performance, plot
from stormcone_pictures import PICTURES
from stormcone_recipes import figures, summary
from stormcone_tables import TABLES, configuration, help_text, markdown


class TableDirective(SphinxDirective):
    """`stormcone-table NAME`: a table of `TABLES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table."""
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"there is no table {name!r}; there are: {', '.join(TABLES)}")
        holder = nodes.container()
        self.state.nested_parse(StringList(markdown(TABLES[name]()), f"table {name}"), 0, holder)
        return list(holder.children)


class HelpDirective(SphinxDirective):
    """`stormcone-help [WORD ...]`: the help of a command."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """The help, as it stands on a terminal."""
        words = self.arguments[0].split() if self.arguments else []
        try:
            text = help_text(words)
        except ValueError as error:
            raise self.error(str(error)) from error
        return [nodes.literal_block(text, text, language="none")]


class ConfigurationDirective(SphinxDirective):
    """`stormcone-configuration`: every table of the configuration's file, with its keys."""

    def run(self) -> list[nodes.Node]:
        """For each table its name, what it is for, and its keys."""
        holder = nodes.container()
        self.state.nested_parse(StringList(configuration(), "configuration"), 0, holder)
        return list(holder.children)


class PerformanceDirective(SphinxDirective):
    """`stormcone-performance [TABLE]`: what was last measured of a table of the benchmarks."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The table, and on what it was measured."""
        holder = nodes.container()
        self.state.nested_parse(StringList(performance(*self.arguments), "performance"), 0, holder)
        return list(holder.children)


class CurveDirective(SphinxDirective):
    """`stormcone-curve NAME`: a plot of how cost grows."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The plot."""
        name = self.arguments[0]
        if name not in curves():
            raise self.error(f"there is no curve {name!r}; there are: {', '.join(curves())}")
        return [nodes.raw("", plot(name), format="html")]


class PictureDirective(SphinxDirective):
    """`stormcone-picture NAME`: a picture of `PICTURES`, where the builder can show one."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The picture."""
        name = self.arguments[0]
        if name not in PICTURES:
            raise self.error(f"there is no picture {name!r}; there are: {', '.join(PICTURES)}")
        return [nodes.raw("", PICTURES[name](), format="html")]


class RecipeDirective(SphinxDirective):
    """`stormcone-recipe [NAME]`: the figures of a recipe, or the short table of all."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Picture and table."""
        lines = figures(self.arguments[0]) if self.arguments else summary()
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, "figures of a recipe"), 0, holder)
        return list(holder.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("stormcone-table", TableDirective)
    app.add_directive("stormcone-help", HelpDirective)
    app.add_directive("stormcone-configuration", ConfigurationDirective)
    app.add_directive("stormcone-picture", PictureDirective)
    app.add_directive("stormcone-performance", PerformanceDirective)
    app.add_directive("stormcone-curve", CurveDirective)
    app.add_directive("stormcone-recipe", RecipeDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

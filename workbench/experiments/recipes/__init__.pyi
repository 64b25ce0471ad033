from .choose import choose_recipe as choose_recipe
from .choose import recipe_for as recipe_for
from .facts import Facts as Facts
from .facts import Recipe as Recipe
from .facts import facts_of as facts_of
